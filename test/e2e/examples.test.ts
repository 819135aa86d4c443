import { type ChildProcessByStdio, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { asJson, type CliWorld, createCliWorld } from "../../testkit/cli-world.ts";
import { freePort } from "../../testkit/free-port.ts";

const run = promisify(execFile);
const example = (name: string): string => join(import.meta.dirname, "../../examples", name);

let world: CliWorld;
let alice: string;
let bob: string;
let credential: string;
beforeAll(async () => {
  world = await createCliWorld({ KEYHOLD_WEBHOOK_NETWORKS: "127.0.0.1" });
  const tenant = await world.openTenant();
  ({ alice, bob } = tenant);
  const key = world.simulator.control.addKey("alpaca", { environment: "paper" });
  const line = `credential register alpaca --environment paper --account ${tenant.account} --allow read,trade --secret-stdin`;
  credential = await world.shell.field(bob, line, "id", asJson(key));
});
afterAll(() => world?.close());

const settings = (token: string) => ({
  PATH: process.env["PATH"],
  KEYHOLD_URL: world.service.url,
  KEYHOLD_TOKEN: token,
});

test("read-accounts.ts prints the account of each credential, and a refusal with its reason", async () => {
  const file = example("read-accounts.ts");
  const { stdout } = await run(process.execPath, [file], { env: settings(bob) });
  expect(stdout).toMatch(/^alpaca paper done \{.*"status":"ACTIVE".*\}\n$/);
  await expect(run(process.execPath, [file], { env: settings("none") })).rejects.toThrow(
    /code: .unauthenticated./,
  );
});

test("place_order.py places an order once, however often it runs with one key", async () => {
  const env = { ...settings(bob), IDEMPOTENCY_KEY: "first-share" };
  const place = () => run("python3", [example("place_order.py"), credential], { env });
  const first = await place();
  expect(JSON.parse(first.stdout)).toMatchObject({ outcome: "done", operation: "createOrder" });
  expect(JSON.parse((await place()).stdout)).toEqual(JSON.parse(first.stdout));
  const open = await world.shell.run(bob, ["invoke", credential, "fetchOrders", "--json"]);
  expect(JSON.parse(open.output)).toMatchObject({ result: [{ symbol: "AAPL" }] });
});

test("webhook-receiver.ts prints the messages that are signed with its secret, and refuses others", async () => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/keyhold`;
  const secret = await world.shell.field(alice, `webhook create ${url} --event credential.frozen`, "secret");
  const receiver = spawn(process.execPath, [example("webhook-receiver.ts")], {
    env: { PATH: process.env["PATH"], PORT: String(port), WEBHOOK_SECRET: secret },
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await world.shell.run(bob, ["credential", "freeze", credential]);
    const line = await firstLine(receiver);
    expect(line).toMatch(/^msg_[0-9a-f]+ \{/);
    expect(JSON.parse(line.slice(line.indexOf(" ")))).toMatchObject({
      type: "credential.frozen",
      data: { credential_id: credential },
    });
    const headers = {
      "webhook-id": "msg_1",
      "webhook-timestamp": String(Math.floor(Date.now() / 1000)),
      "webhook-signature": `v1,${Buffer.alloc(32).toString("base64")}`,
    };
    expect((await fetch(url, { method: "POST", headers, body: "{}" })).status).toBe(400);
  } finally {
    receiver.kill();
  }
});

async function firstLine(program: ChildProcessByStdio<null, Readable, null>): Promise<string> {
  let text = "";
  program.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  while (!text.includes("\n")) await once(program.stdout, "data");
  return text;
}
