import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { tellable } from "../../../src/webhooks/events.ts";
import { signMessage } from "../../../src/webhooks/signing-secret.ts";
import { runsWith } from "../../../testkit/command.ts";

const guide = readFileSync(new URL("../../../docs/guides/webhooks.md", import.meta.url), "utf8");

/** The code of the guide in one language, followed by a program that tells of each message whether the code accepts it. */
function program(language: "ts" | "python", rest: string): string {
  const code = new RegExp("```" + language + "\n([^]*?)```").exec(guide)?.[1] ?? "";
  expect(code).toContain("verify(");
  return `${code}\n${rest}`;
}

const now = Math.floor(Date.now() / 1000);
const key = randomBytes(32);
const message = { messageId: "msg_1", seconds: now, payload: '{"type":"webhook.test","data":{"größe":1}}' };

type Case = Readonly<{ secret: string; headers: Readonly<Record<string, string>>; body: string }>;

function caseOf(
  changes: Partial<typeof message> & Readonly<{ sent?: string; signature?: string }> = {},
): Case {
  const { sent, signature, ...rest } = changes;
  const signed = { ...message, ...rest };
  return {
    secret: `whsec_${key.toString("base64")}`,
    headers: {
      "webhook-id": signed.messageId,
      "webhook-timestamp": String(signed.seconds),
      "webhook-signature": signature ?? signMessage(key, signed),
    },
    body: sent ?? signed.payload,
  };
}

const own = signMessage(key, message);
const other = signMessage(randomBytes(32), message);
const cases: readonly (readonly [Case, boolean])[] = [
  [caseOf(), true],
  [caseOf({ signature: `${other} ${own}` }), true],
  [caseOf({ signature: `${own} ${other}` }), true],
  [caseOf({ seconds: now - 240 }), true],
  [caseOf({ seconds: now - 360 }), false],
  [caseOf({ seconds: now + 360 }), false],
  [caseOf({ signature: other }), false],
  [caseOf({ signature: own.replace("v1,", "v2,") }), false],
  [caseOf({ signature: "" }), false],
  [caseOf({ sent: message.payload.replace("1", "2") }), false],
  [{ ...caseOf(), headers: { ...caseOf().headers, "webhook-id": "msg_2" } }, false],
  [{ ...caseOf(), headers: { ...caseOf().headers, "webhook-timestamp": "soon" } }, false],
];

function verdicts(command: string, argv: readonly string[]): unknown {
  const input = JSON.stringify(cases.map(([one]) => one));
  const { stdout, stderr } = spawnSync(command, argv, { input, encoding: "utf8" });
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

const expected = cases.map(([, accepted]) => accepted);

describe("the guide to webhooks", () => {
  it("has code in TypeScript that accepts what is ours and recent, and nothing else", () => {
    const text = program(
      "ts",
      `import { text } from "node:stream/consumers";
      const accepts = ({ secret, headers, body }: any) => {
        try { verify(secret, headers, Buffer.from(body)); return true } catch { return false }
      };
      process.stdout.write(JSON.stringify(JSON.parse(await text(process.stdin)).map(accepts)));`,
    );
    expect(verdicts(process.execPath, ["--input-type=module-typescript", "--eval", text])).toEqual(expected);
  });

  it.runIf(runsWith("python3"))("has code in Python that does the same", () => {
    const text = program(
      "python",
      `
import sys
def accepts(one):
    try:
        verify(one["secret"], one["headers"], one["body"].encode())
        return True
    except ValueError:
        return False
print(json.dumps([accepts(one) for one in json.load(sys.stdin)]))`,
    );
    expect(verdicts("python3", ["-c", text])).toEqual(expected);
  });

  it("tells of every event, and of every field that goes along", () => {
    const rows = [...guide.matchAll(/^\| `([a-z_]+\.[a-z_]+)` +\|(.*)\|$/gm)].map(
      ([, name = "", fields = ""]) => [name, Array.from(fields.matchAll(/`(\w+)`/g), ([, field]) => field)],
    );
    expect(Object.fromEntries(rows)).toEqual(tellable);
  });
});
