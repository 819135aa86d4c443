import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

export type Service = Readonly<{
  /** Empty for a worker, which has no API. */
  url: string;
  metricsUrl: string;
  pid: number;
  /** Resolves when it has ended; `null` where a signal ended it. */
  exitCode: Promise<number | null>;
  /** Everything it has written so far, both streams. */
  output(): string;
  stop(): Promise<void>;
  /** Ends it as a crash does. */
  kill(): Promise<void>;
}>;

const root = join(import.meta.dirname, "..");

/**
 * The service as its own process, as an operator runs it. Rejects with what it printed when it does not start. Until it serves, `signal`
 * kills it.
 */
export async function startService(
  environment: Readonly<Record<string, string>>,
  program: readonly [path: string, ...argv: string[]] = ["src/main.ts"],
  signal?: AbortSignal,
): Promise<Service> {
  const [path, ...argv] = program;
  const lines: string[] = [];
  const flags = ["--disable-sigusr1", "--report-exclude-env"];
  const child = spawn(process.execPath, [...flags, join(root, path), ...argv], {
    env: { PATH: process.env["PATH"], KEYHOLD_PORT: "0", KEYHOLD_METRICS_PORT: "0", ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const kill = (): boolean => child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  const address = await Promise.race([listening(child, lines), ended(child, lines)]);
  signal?.removeEventListener("abort", kill);
  return {
    url: address,
    metricsUrl: addressIn(lines, "metrics"),
    pid: child.pid ?? 0,
    exitCode: once(child, "exit").then(() => child.exitCode),
    output: () => lines.join("\n"),
    stop: () => end(child, "SIGTERM"),
    kill: () => end(child, "SIGKILL"),
  };
}

async function end(child: ChildProcess, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill(signal);
  await exit;
}

function addressIn(lines: readonly string[], message: string): string {
  const line = lines.find((one) => one.includes(`"message":"${message}"`)) ?? "";
  return /"address":"(http[^"]+)"/.exec(line)?.[1] ?? "";
}

async function listening(child: ChildProcess, lines: string[]): Promise<string> {
  const found = Promise.withResolvers<string>();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      lines.push(line);
      const address = addressIn([line], "listening");
      if (address !== "" || line.includes('"message":"running the clock"')) found.resolve(address);
    });
  }
  return found.promise;
}

async function ended(child: ChildProcess, lines: readonly string[]): Promise<never> {
  await once(child, "exit");
  throw new Error(`the service ended: ${lines.join("\n")}`);
}
