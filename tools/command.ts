import { spawnSync, type SpawnSyncOptions } from "node:child_process";

/** Runs a program that is silent unless it fails. Throws an error with what it said last. */
export function run(
  program: string,
  parameters: readonly string[],
  options: Pick<SpawnSyncOptions, "cwd" | "env"> = {},
): void {
  const { status, error, stdout, stderr } = spawnSync(program, parameters, {
    ...options,
    stdio: ["ignore", "pipe", "pipe"],
    encoding: "utf8",
    maxBuffer: Number.POSITIVE_INFINITY,
  });
  if (status === 0) return;
  const said = error?.message ?? `${stdout}${stderr}`.trim().split("\n").slice(-20).join("\n");
  throw new Error(`\`${[program, ...parameters].join(" ")}\` failed:\n${said}`);
}
