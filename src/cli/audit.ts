import { createReadStream, createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { type AuditEventList, answerOf } from "@keyhold/client";
import { type Command, InvalidArgumentError } from "commander";
import { z } from "zod";
import type { ChainEnd, Expected, verifyChain } from "../audit/chain.ts";
import { type EventName, eventNames, isEventName } from "../audit/events.ts";
import { type Cli, showList } from "./cli.ts";
import { CliError } from "./errors.ts";
import { given, oneOf, type PageOptions, pageOptions, parsePast } from "./options.ts";
import type { Column } from "./output.ts";
import { idOfGiven } from "./select.ts";

type ListOptions = PageOptions &
  Readonly<{ event?: EventName }> &
  Partial<Record<"credential" | "apiKey" | "outcome" | "actor" | "issuer" | "since" | "until", string>>;

const columns: readonly Column<AuditEventList["items"][number]>[] = [
  ["seq", ({ seq }) => seq],
  ["at", ({ at }) => at],
  ["event", ({ event }) => event],
  ["outcome", ({ outcome }) => outcome],
  ["by", actorOf],
  [
    "detail",
    ({ detail }) =>
      Object.entries(detail)
        .filter(isShown)
        .map(([name, value]) => `${name}=${wordOf(value)}`),
  ],
];

/**
 * The actor has a column of its own, and the numbers of signatures are for the service (`audit/change.ts`).
 */
function isShown([name, value]: readonly [string, unknown]): boolean {
  return value !== null && name !== "actor" && name !== "grants";
}

/**
 * What kind of actor it was, and which one: a member or operator by the subject, a task by its name; and
 * through which API key.
 */
function actorOf(event: AuditEventList["items"][number]): string {
  const { detail, actor_subject: subject, actor_api_key: key } = event;
  const actor = z
    .object({ kind: z.string() })
    .and(z.record(z.string(), z.unknown()))
    .safeParse(detail["actor"]);
  if (!actor.success) return "";
  const { kind, member_id, task, subject: operator } = actor.data;
  const name = [kind, subject ?? member_id ?? task ?? operator].map(wordOf).join(" ");
  return key === null || key === undefined ? name : `${name} (key ${key})`;
}

const parseEvent = oneOf(eventNames.filter(isEventName));

export function addAuditCommands(program: Command, cli: Cli): void {
  const audit = program.command("audit").description("the record of everything that happened");
  pageOptions(audit.command("list"))
    .description("show events, newest first")
    .option("--credential <credential>", "of this credential, by id or name")
    .option("--event <name>", "of this name, such as credential.revealed", parseEvent)
    .option("--outcome <word>", "with this outcome, such as ok")
    .option("--actor <name>", "by this member (its id), operator (its subject) or task of the service")
    .option("--api-key <api-key>", "through this API key, by id, name or prefix")
    .option("--issuer <issuer>", "by an operator with a token of this issuer")
    .option("--since <time>", "from this time on, such as 2026-12-31 or 24h", parsePast)
    .option("--until <time>", "before this time, such as 2026-12-31 or 24h", parsePast)
    .action(async (options: ListOptions) => {
      const { event, outcome, actor, issuer, since, until } = options;
      const credential_id = await idOfGiven(cli, "credential", options.credential);
      const api_key_id = await idOfGiven(cli, "API key", options.apiKey);
      const filter = given({ credential_id, api_key_id, event, outcome, actor, issuer, since, until });
      const api = await cli.api();
      const read = (page: object) =>
        answerOf(api.GET("/api/v1/audit/events", { params: { query: { ...filter, ...page } } }));
      await showList(cli, options, read, columns);
    });
  audit
    .command("export")
    .description(
      "write the whole record as lines of JSON, which `audit verify` reads; to standard output or a file",
    )
    .option("--output <file>", "the file to write; it is never overwritten")
    .action(({ output }: Readonly<{ output?: string }>) => exportRecord(cli, output));
  audit
    .command("verify")
    .description(
      "verify the chain of the record, from link to link up to its head, and show what that does not prove. " +
        "Exits with 0 when the record is intact, 1 when it is broken or empty, 2 when it cannot be read, 3 when the service cannot be asked",
    )
    .argument("[file]", "an export, or - for standard input; asked of the service when left out")
    .option(
      "--end <link:hash>",
      "an end that an earlier verification printed: the record must lead to it",
      parseEnd,
    )
    .option("--tenant <id>", "the tenant whose record it must be", parseTenant)
    .action(async (file: string | undefined, expected: Expected) => {
      const { verifyChain } = await import("../audit/chain.ts");
      const verification = await readable(file, () => verifyChain(readLines(source(cli, file)), expected));
      await show(cli, verification);
    });
}

async function show({ output }: Cli, verification: Awaited<ReturnType<typeof verifyChain>>): Promise<void> {
  const { nothingToVerify } = await import("../audit/chain.ts");
  if (!verification.intact) {
    const { line, reason } = verification;
    output.data(verification);
    const shown = reason === nothingToVerify ? reason : `the record is broken at line ${line}: ${reason}`;
    throw new CliError("refused", shown);
  }
  output.one(verification, [
    ["intact", ({ complete }) => (complete ? "yes" : "as far as it goes")],
    ["tenant", ({ tenant }) => tenant],
    ["links", ({ links }) => links],
    ["events", ({ events }) => events],
    ["end", ({ end }) => `${end.link}:${end.hash}`],
    ...verification.unchecked.map((sentence) => ["not checked", () => sentence] as const),
  ]);
}

async function exportRecord({ api, terminal, output }: Cli, file: string | undefined): Promise<void> {
  const lines = (await api()).exportAudit();
  if (file === undefined) return pipeline(lines, terminal.output, { end: false });
  const target = createWriteStream(file, { flags: "wx", mode: 0o600 });
  try {
    await pipeline(lines, target);
  } catch (error) {
    // Half of a record would look like a whole one that was cut.
    if (target.bytesWritten > 0) await rm(file, { force: true });
    if (!(error instanceof Error && "code" in error && "path" in error)) throw error;
    throw new CliError("usage", `${file} cannot be written (${String(error.code)})`);
  }
  output.note(`${file} holds the record; \`keyhold audit verify ${file}\` verifies it`);
}

async function* source({ api, terminal }: Cli, file: string | undefined): AsyncGenerator<Uint8Array> {
  if (file === "-") yield* terminal.input;
  else if (file !== undefined) yield* createReadStream(file);
  else yield* (await api()).exportAudit();
}

async function readable<T>(file: string | undefined, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (file === undefined || !(error instanceof Error && "code" in error)) throw error;
    throw new CliError("usage", `${file} cannot be read (${String(error.code)})`);
  }
}

function parseEnd(text: string): Pick<ChainEnd, "link" | "hash"> {
  const { link, hash } = /^(?<link>\d{1,15}):(?<hash>[0-9a-f]{64})$/.exec(text)?.groups ?? {};
  if (link === undefined || hash === undefined) {
    throw new InvalidArgumentError("Give the end as an earlier verification printed it.");
  }
  return { link: Number(link), hash };
}

function parseTenant(text: string): string {
  const parsed = z.uuid().toLowerCase().safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError("Give the id of a tenant.");
  return parsed.data;
}

function wordOf(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

/** Longer than any event or link can be. */
const longestLineBytes = 16 * 1024 * 1024;
const lineFeed = 0x0a;

/**
 * The lines of a stream as the chain of the record sees them: a line feed ends a line and nothing else does.
 * (Readers of text also break lines at U+2028, which may stand raw inside JSON.) Bytes that are not UTF-8
 * make an empty line, so that verification stops there rather than at a look-alike. Throws `CliError` for a
 * line that no record has.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, from)) {
      yield decode([...parts, chunk.subarray(from, end)]);
      parts = [];
      size = 0;
      from = end + 1;
    }
    parts.push(chunk.subarray(from));
    size += chunk.byteLength - from;
    if (size > longestLineBytes)
      throw new CliError("refused", "a line of the export is longer than any of a record");
  }
  if (size > 0) yield decode(parts);
}

function decode(parts: readonly Uint8Array[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(parts));
  } catch {
    return "";
  }
}
