import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { installedMoto } from "../../tools/moto/install.ts";
import { freePort } from "./free-port.ts";
import { orSkip, type Tool } from "./tool.ts";

/** `KEYHOLD_TEST_MOTO`, or what `tools/moto` installed. */
export function findMoto(): Tool {
  const found = process.env["KEYHOLD_TEST_MOTO"] ?? (existsSync(installedMoto()) ? installedMoto() : null);
  return orSkip(found, "moto, which stands in for AWS,", "Install it once with: node tools/moto/install.ts");
}

/** Secrets Manager and KMS on loopback, empty. */
export type TestAws = Readonly<{
  endpoint: string;
  region: string;
  credentials: Readonly<{ accessKeyId: string; secretAccessKey: string }>;
  stop(): Promise<void>;
}>;

export async function startMoto(program: string): Promise<TestAws> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = spawn(program, ["--host", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
  const kill = (): void => void server.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(server, "exit");
  const deadline = performance.now() + 30_000;
  while (!(await answers(endpoint))) {
    if (performance.now() > deadline) throw new Error("moto's server did not answer in time");
    await sleep(100);
  }
  return {
    endpoint,
    region: "eu-central-1",
    // It accepts any.
    credentials: { accessKeyId: "of-a-test", secretAccessKey: "of-a-test" },
    async stop() {
      kill();
      await ended;
      process.off("exit", kill);
    },
  };
}

async function answers(endpoint: string): Promise<boolean> {
  return request(`${endpoint}/moto-api/`).then(
    async ({ statusCode, body }) => {
      await body.dump();
      return statusCode === 200;
    },
    () => false,
  );
}
