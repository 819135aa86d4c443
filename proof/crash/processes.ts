import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { plainConnection } from "../../testkit/connection.ts";
import type { Ground, StoreChoice } from "../ground.ts";
import type { Effect } from "./effects.ts";
import type { FlawName } from "./flaws.ts";
import { type Scenario, taskShape, type Writer } from "./scenarios.ts";

/** What one process does; a flaw where its build is wrong on purpose. */
export type Work = Readonly<{ store: StoreChoice; scenario: Scenario; flaw: FlawName | null }>;

const script = join(import.meta.dirname, "child.ts");
const effectsShape = z.tuple([z.array(z.object({ name: z.string(), kind: z.enum(["read", "write"]) }))]);

/** Runs a process that works for one writer and lives; answers the effects of its work. */
export async function rehearse(ground: Ground, work: Work, writer: Writer): Promise<readonly Effect[]> {
  const { code, output } = await run(ground, work, [writer]);
  if (code === 0) return effectsShape.parse(JSON.parse(output))[0];
  throw new Error(`${nameOf(work)} does not even succeed when nobody kills it.`);
}

/** Runs a process that works for all of these, until each is at its point: then it is killed. */
export async function runAndKill(ground: Ground, work: Work, writers: readonly Writer[]): Promise<void> {
  const { code, signal } = await run(ground, work, writers);
  if (signal !== "SIGKILL")
    throw new Error(`${nameOf(work)} was not killed, but ended with ${code ?? signal}.`);
}

async function run({ installation, folder }: Ground, work: Work, writers: readonly Writer[]) {
  const { keyFile, app } = installation;
  const task = taskShape.parse({ ...work, connection: plainConnection(app), keyFile, folder, writers });
  const child = spawn(process.execPath, [script, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
    // Compiled once for all of them.
    env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: join(installation.folder, "compiled") },
  });
  const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { output, code: z.number().nullable().parse(code), signal: z.string().nullable().parse(signal) };
}

function nameOf({ scenario, store, flaw }: Work): string {
  return `${scenario} in the store ${store}${flaw === null ? "" : ` with the build that ${flaw}`}`;
}
