import { spawnSync, type SpawnSyncOptions } from "node:child_process";

/** Runs a program that is silent unless it fails. Throws an error with how it ended, and what it said last. */
export function run(
  program: string,
  parameters: readonly string[],
  options: Pick<SpawnSyncOptions, "cwd" | "env"> = {},
): void {
  const { status, signal, error, stdout, stderr } = spawnSync(program, parameters, {
    ...options,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: Number.POSITIVE_INFINITY,
  });
  if (status === 0) return;
  const end = error?.message ?? `it ended with ${signal ?? status}`;
  const said = `${stdout ?? ""}${stderr ?? ""}`.trim().split("\n").slice(-20).join("\n");
  throw new Error(`\`${[program, ...parameters].join(" ")}\`: ${end}\n${said}`);
}
