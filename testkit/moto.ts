import { type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { inject } from "vitest";
import { patient } from "./patience.ts";

/** The Python that has moto; `null` where the tests that need it are skipped. */
export function findMoto(): string | null {
  return inject("tools").moto;
}

/** Secrets Manager and KMS on loopback, empty. */
export type TestAws = Readonly<{
  endpoint: string;
  region: string;
  credentials: Readonly<{ accessKeyId: string; secretAccessKey: string }>;
  /** For Keyhold's clients. When nobody listens any more the SDK soon gives up by itself. */
  deadlineMs: number;
  stop(): Promise<void>;
}>;

export async function startMoto(python: string): Promise<TestAws> {
  const server = spawn(python, ["-m", "moto.server", "--port", "0"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const kill = (): void => void server.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(server, "exit");
  const endpoint = await whereItListens(server);
  return {
    endpoint,
    region: "eu-central-1",
    // It accepts any.
    credentials: { accessKeyId: "of-a-test", secretAccessKey: "of-a-test" },
    deadlineMs: patient.deadlineMs,
    async stop() {
      kill();
      await ended;
      process.off("exit", kill);
    },
  };
}

/** The system chooses the port, and the server says which when it listens. What it says later is read, so that it can go on. */
async function whereItListens(server: ChildProcessByStdio<null, null, Readable>): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: server.stderr })) {
    lines.push(line);
    const url = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (url === undefined) continue;
    server.stderr.resume();
    return url;
  }
  throw new Error(`moto's server did not start: ${lines.join("\n")}`);
}
