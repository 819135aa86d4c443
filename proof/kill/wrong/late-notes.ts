import { appendFile, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

const notedShape = z.object({ key: z.string(), status: z.int(), body: z.string() });
type Noted = z.output<typeof notedShape>;

const passedOn = ["authorization", "content-type", "if-match"] as const;

/**
 * A door before the service that takes the Idempotency-Key from every request and sees to repeats itself: it notes an answer in a file
 * when it has it. So the change is committed, and the note is not, for as long as the answer takes.
 */
export async function openLateDoor(service: string, file: string): Promise<Server> {
  const notes = new Map<string, Noted>();
  const text = await readFile(file, "utf8").catch(() => "");
  for (const line of text.split("\n").filter((line) => line.endsWith("}"))) note(notes, line);
  return createServer((request, response) => {
    answer(request, response, { service, file, notes }).catch(() => response.destroy());
  });
}

function note(notes: Map<string, Noted>, line: string): void {
  const noted = notedShape.parse(JSON.parse(line));
  notes.set(noted.key, noted);
}

type Door = Readonly<{ service: string; file: string; notes: Map<string, Noted> }>;

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { service, file, notes }: Door,
): Promise<void> {
  const key = String(request.headers["idempotency-key"] ?? "");
  const known = notes.get(key);
  if (known !== undefined) return send(response, known);
  const began = performance.now();
  const given = await pass(request, service);
  if (key === "" || given.status >= 400) return relay(response, given);
  const line = JSON.stringify({ key, status: given.status, body: await given.text() });
  // As long as the change itself, so that every other kill falls between a commit and its note, however busy the machine is.
  await sleep(performance.now() - began);
  await appendFile(file, `${line}\n`);
  note(notes, line);
  const noted = notes.get(key);
  if (noted !== undefined) send(response, noted);
}

async function pass(request: IncomingMessage, service: string): Promise<Response> {
  const { method = "GET", url = "/", headers } = request;
  const kept = passedOn.flatMap((name) =>
    headers[name] === undefined ? [] : [[name, headers[name]] as const],
  );
  const body = await buffer(request);
  return fetch(service + url, {
    method,
    headers: Object.fromEntries(kept),
    ...(body.byteLength > 0 && { body }),
  });
}

function send(response: ServerResponse, { status, body }: Pick<Noted, "status" | "body">): void {
  response.writeHead(status, { "content-type": "application/json" }).end(body);
}

async function relay(response: ServerResponse, { status, headers, body }: Response): Promise<void> {
  response.writeHead(status, { "content-type": headers.get("content-type") ?? "application/json" });
  if (body === null) response.end();
  else await pipeline(body, response);
}
