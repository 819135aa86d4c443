import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";

const main = new URL("../../../simulator/main.ts", import.meta.url).pathname;

/** Everything the program writes up to and including the wanted text. */
async function outputUntil(program: ReturnType<typeof spawn>, wanted: RegExp): Promise<string> {
  let output = "";
  for await (const chunk of program.stdout ?? []) {
    output += String(chunk);
    if (wanted.test(output)) return output;
  }
  throw new Error(`ended with: ${output}`);
}

test("the program prints addresses and keys that work, and stops when it is told to", async () => {
  const program = spawn(process.execPath, [main], { stdio: ["ignore", "pipe", "inherit"] });
  const output = await outputUntil(program, /"venue":"massive".*\n$/);
  const [, url] = /alpaca +paper +(\S+)/.exec(output) ?? [];
  const [line = "{}"] = /^\{"venue":"alpaca".*$/m.exec(output) ?? [];
  const key: { apiKey: string; apiSecret: string } = JSON.parse(line);
  const answer = await fetch(`${url}/v2/account`, {
    headers: { "APCA-API-KEY-ID": key.apiKey, "APCA-API-SECRET-KEY": key.apiSecret },
  });
  expect(answer.status).toBe(200);
  const ended = once(program, "exit");
  program.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});

test.each([["x"], ["0"], ["65536"]])("the program refuses %s as a port and says why", async (port) => {
  const program = spawn(process.execPath, [main, "--port", port], { stdio: ["ignore", "ignore", "pipe"] });
  const [chunks, ended] = [program.stderr.toArray(), once(program, "exit")];
  expect(await ended).toEqual([2, null]);
  expect(Buffer.concat(await chunks).toString()).toContain("--port must be a number");
});
