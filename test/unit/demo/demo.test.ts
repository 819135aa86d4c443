import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { idOf, openScene, type Scene } from "../../../demo/stage.ts";
import { refused, step } from "../../../demo/step.ts";
import { steps } from "../../../demo/steps.ts";
import { createTeller } from "../../../demo/tell.ts";
import { startSimulator } from "../../../simulator/simulator.ts";
import { collect } from "../../../testkit/cli.ts";

let scene: Scene;

beforeAll(async () => {
  scene = openScene(await startSimulator());
});
afterAll(() => scene.simulator.close());

const plain = step({
  title: "bob opens an account",
  actor: "bob",
  send: () => Promise.resolve({}),
  status: 201,
  answer: z.object({ id: z.string() }),
  holds: ({ known }, { id }) => known.get("account") !== id,
  tell: ({ id }) => `account ${id}`,
  learn: ({ id }) => [["account", id]],
});

async function told(
  tell: (teller: ReturnType<typeof createTeller>) => void | Promise<void>,
  isTTY = false,
): Promise<string> {
  const output = collect();
  await tell(createTeller(Object.assign(output.stream, { isTTY })));
  return output.text();
}

describe("a step of the demo", () => {
  test("tells of the answer that was expected, and learns ids from it", () => {
    expect(plain.judge(scene, 201, { id: "a1" })).toEqual({ told: "account a1" });
    expect(idOf(scene, "account")).toBe("a1");
  });

  test("that was not taken leaves nothing for later ones", () => {
    expect(() => idOf(scene, "rival")).toThrow("no step has learned");
  });

  test.for([
    ["another status", 200, { id: "a2" }],
    ["another body", 201, { code: "a1" }],
    ["something that does not hold", 201, { id: "a1" }],
  ] as const)("is not fooled by %s", ([, status, answer]) => {
    expect(plain.judge(scene, status, answer)).toBe("unexpected");
  });

  test("that must be refused is not done with any refusal", () => {
    const no = refused({ title: "", actor: "eve", send: plain.send, status: 404, code: "not_found" });
    const problem = { code: "not_found", detail: "There is none." };
    expect(no.judge(scene, 404, problem)).toEqual({ told: "not_found: There is none." });
    expect(no.judge(scene, 403, problem)).toBe("unexpected");
    expect(no.judge(scene, 404, { ...problem, code: "forbidden" })).toBe("unexpected");
    expect(no.judge(scene, 200, { id: "a1" })).toBe("unexpected");
  });

  test("has a title of its own", () => {
    expect(new Set(steps.map(({ title }) => title)).size).toBe(steps.length);
  });
});

describe("what the reader of the demo sees", () => {
  beforeEach(() => {
    for (const name of ["FORCE_COLOR", "NO_COLOR", "NODE_DISABLE_COLORS"]) vi.stubEnv(name, undefined);
  });
  afterEach(() => void vi.unstubAllEnvs());

  const body = { venue: "binance", secret: { api_key: "pLaNtEd-1", api_secret: "pLaNtEd-2" } };
  const request = new Request("http://127.0.0.1/api/v1/credentials", {
    method: "POST",
    headers: { authorization: "Bearer pLaNtEd-3", "idempotency-key": "k1" },
    body: JSON.stringify(body),
  });

  test("names the fields of a secret and never their values, sent or come back", async () => {
    const text = await told(async (teller) => {
      await teller.sent(7, "a step", "bob", request);
      teller.unexpected(500, { secret: { api_key: "pLaNtEd-1" } });
    });
    expect(text).toContain(
      'bob → POST /api/v1/credentials idempotency-key: k1 {"venue":"binance","secret":{"api_key":"[secret]","api_secret":"[secret]"}}',
    );
    expect(text).toContain('500 {"secret":{"api_key":"[secret]"}}');
    expect(text).not.toContain("pLaNtEd");
    // The control: outside of `secret` a value is shown.
    expect(await told((teller) => teller.unexpected(500, { other: "pLaNtEd-1" }))).toContain("pLaNtEd-1");
  });

  test("has colours on a terminal and nowhere else", async () => {
    const say = (teller: ReturnType<typeof createTeller>): void => teller.cameBack(201, "done");
    expect(await told(say)).toBe("    ← 201 done\n");
    expect(await told(say, true)).toContain("\u001b[32m201");
  });
});
