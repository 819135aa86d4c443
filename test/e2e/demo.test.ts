import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runsWith } from "../../testkit/command.ts";
import { makeState } from "../../testkit/state.ts";

const root = join(import.meta.dirname, "../..");
let state: Awaited<ReturnType<typeof makeState>>;

beforeAll(async () => {
  state = await makeState();
});
afterAll(() => state[Symbol.asyncDispose]());

/** The demo as `npm run demo` starts it, in a folder of the test's own. */
function startDemo(...argv: readonly string[]) {
  const demo = join(root, "demo", "main.ts");
  const child = spawn(process.execPath, [demo, "--folder", state.folder, ...argv], {
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => {
      output += `${line}\n`;
      child.emit("line", line);
    });
  }
  return {
    output: () => output,
    interrupt: () => child.kill("SIGINT"),
    says: async (word: string) => {
      while (!output.includes(word)) await once(child, "line");
    },
    ended: once(child, "close").then(([code]: unknown[]) => code),
  };
}

/** Each step: what it is about, who sends what, and what comes back. */
const expected: readonly (readonly [title: string, sent: RegExp, back: RegExp])[] = [
  ["the operator opens a tenant", /^operator → POST \/api\/v1\/tenants /, /^201 tenant [0-9a-f]{8}…$/],
  [
    "alice, who owns it, lets bob in",
    /^alice → POST \/api\/v1\/members /,
    /^201 member [0-9a-f]{8}…, trader$/,
  ],
  [
    "alice, who owns it, lets carol in",
    /^alice → POST \/api\/v1\/members /,
    /^201 member [0-9a-f]{8}…, trader$/,
  ],
  ["bob opens an account", /^bob → POST \/api\/v1\/accounts /, /^201 account [0-9a-f]{8}…$/],
  [
    "bob registers a Binance key",
    /^bob → POST \/api\/v1\/credentials .*"secret":\{"api_key":"\[secret\]","api_secret":"\[secret\]"\}\}$/,
    /^201 active; read yes, trade yes, withdraw no, transfer no$/,
  ],
  [
    "a key that may withdraw is refused",
    /^bob → POST \/api\/v1\/credentials /,
    /^422 withdraw_refused: The key may withdraw\./,
  ],
  [
    "a key with a wrong secret is refused",
    /^bob → POST \/api\/v1\/credentials /,
    /^422 venue_rejected: Binance: the signature is invalid/,
  ],
  [
    "bob registers an Alpaca paper key",
    /^bob → POST \/api\/v1\/credentials .*"alpaca"/,
    /^201 active; an account of type paper$/,
  ],
  ["and asks Alpaca", /^bob → POST .*\/validate$/, /^200 is_valid: true, account_status: ACTIVE\./],
  ["a balance", /^bob → POST .*\/invoke \{"operation":"fetchBalance"\}$/, /^200 100000 USDT, /],
  [
    "an order",
    /^bob → POST .*\/invoke idempotency-key: \S+ .*"createOrder"/,
    /^200 order \d+ at the venue, client order id [0-9a-f]{32}$/,
  ],
  ["the same request again", /^bob → POST .*\/invoke idempotency-key: /, /^200 order \d+, not sent twice$/],
  [
    "the plaintext itself",
    /^bob → POST .*\/reveal \{"reason":"[^"]+"\}$/,
    /^200 api_key and api_secret as they were registered, not shown here$/,
  ],
  ["the operator opens another tenant", /^operator → POST \/api\/v1\/tenants /, /^201 tenant [0-9a-f]{8}…$/],
  ["its owner asks for bob's credential", /^eve → GET \/api\/v1\/credentials\//, /^404 not_found: /],
  ["carol, of bob's tenant", /^carol → GET \/api\/v1\/credentials\//, /^403 forbidden: /],
  ["bob revokes the credential", /^bob → POST .*\/revoke$/, /^200 revoked$/],
  ["and it is of no more use", /^bob → POST .*\/invoke /, /^409 illegal_state: /],
  ["the record of all this", /^alice → GET \/api\/v1\/audit\/events/, /^200 \d+ events$/],
  [
    "its chain of hashes holds",
    /^alice → GET \/api\/v1\/audit\/export$/,
    /^200 intact: \d+ events in \d+ links$/,
  ],
  ["and breaks when one word", /^alice → GET \/api\/v1\/audit\/export$/, /^200 broken at line \d+: /],
];

describe("the demo", () => {
  test(
    "with --once shows every step as it should come out, and ends with 0",
    { timeout: 60_000 },
    async () => {
      const { ended, output } = startDemo("--once");
      expect(await ended, output()).toBe(0);
      const steps = output()
        .split(/\n(?=[ \d]\d {2})/)
        .slice(1);
      expect(steps).toHaveLength(expected.length);
      for (const [at, [title, sent, back]] of expected.entries()) {
        const [heading = "", request = "", answer = ""] = (steps[at] ?? "").split("\n");
        expect(heading).toMatch(new RegExp(`^${String(at + 1).padStart(2)}  ${title}`));
        expect(request.trim()).toMatch(sent);
        expect(answer.trim()).toMatch(new RegExp(`^← ${back.source.slice(1)}`));
      }
    },
  );

  describe("left running", () => {
    let demo: ReturnType<typeof startDemo>;
    const exported = (name: string): string =>
      new RegExp(`export ${name}=(\\S+)`).exec(demo.output())?.[1] ?? "";
    const docs = (): Promise<Response> => fetch(`${exported("KEYHOLD_URL")}/docs`);

    beforeAll(async () => {
      demo = startDemo();
      await demo.says("npx keyhold");
    });
    afterAll(() => demo.interrupt());

    test("says where the API is described", async () => {
      expect(await docs()).toMatchObject({ status: 200 });
    });

    test("prints a token that the API takes", async () => {
      const path = /\$KEYHOLD_URL(\/\S+\/invoke)/.exec(demo.output())?.[1] ?? "";
      const answer = await fetch(exported("KEYHOLD_URL") + path, {
        method: "POST",
        headers: { authorization: `Bearer ${exported("KEYHOLD_TOKEN")}`, "content-type": "application/json" },
        body: '{"operation":"account"}',
      });
      expect(await answer.json()).toMatchObject({ operation: "account", result: { status: "ACTIVE" } });
    });

    test.runIf(runsWith("curl"))("prints a curl line that works when pasted", async () => {
      expect(await runInShell(demo.output())).toMatch(/"operation":"account".*"status":"ACTIVE"/);
    });

    test("ends at Ctrl-C with everything that it started", async () => {
      demo.interrupt();
      expect(await demo.ended, demo.output()).toBe(0);
      await expect(docs()).rejects.toThrow();
    });
  });
});

/** Pastes what the demo says into a shell: the settings and the curl line, as they stand there. */
async function runInShell(output: string): Promise<string> {
  const lines = output.slice(output.indexOf("  export KEYHOLD_URL"), output.indexOf("  npx keyhold"));
  const shell = spawn("sh", ["-e"], { stdio: ["pipe", "pipe", "inherit"] });
  shell.stdin.end(lines);
  let answer = "";
  for await (const text of shell.stdout.setEncoding("utf8")) answer += String(text);
  return answer;
}
