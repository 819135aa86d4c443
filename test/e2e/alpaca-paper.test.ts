import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { register } from "../../src/credentials/register.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { validate } from "../../src/credentials/validate.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

/**
 * Against Alpaca's own paper API, when these two variables give a paper key. The live host is never called: the environment is
 * fixed below, and a key of the live form is refused before anything is sent. Orders rest far from the market and are cancelled.
 */
const api_key = process.env["KEYHOLD_TEST_ALPACA_PAPER_KEY_ID"] ?? "";
const api_secret = process.env["KEYHOLD_TEST_ALPACA_PAPER_SECRET_KEY"] ?? "";
const given = api_key !== "" && api_secret !== "";
const place = { venue: "alpaca", environment: "paper" } as const;

if (!given) {
  process.stdout.write(
    "Alpaca paper: skipped, KEYHOLD_TEST_ALPACA_PAPER_KEY_ID and …_SECRET_KEY are not set\n",
  );
}

describe.runIf(given)("the paper API of Alpaca", () => {
  let world: World;
  let owner: Member;
  let accountId: string;
  beforeAll(async () => {
    if (api_key.startsWith("AK")) throw new Error("this is a live key; give a paper key");
    world = await createWorld({ venues: { timeoutMs: 10_000 } });
    ({ owner } = await world.createTenant());
    accountId = await world.createAccount(owner);
  });
  afterAll(() => world.close());

  test("accepts a valid key and tells the state of its account", async () => {
    const fields = secretFields({ api_key, api_secret });
    const credential = await register(world.custody, owner, { accountId, ...place, label: "valid", fields });
    expect(credential).toMatchObject({ status: "active", account: { status: "ACTIVE", type: "paper" } });
  });

  test("refuses a wrong secret, and nothing is kept", async () => {
    const fields = secretFields({ api_key, api_secret: "x".repeat(40) });
    const refusal = register(world.custody, owner, { accountId, ...place, label: "wrong", fields });
    await expect(refusal).rejects.toMatchObject({ code: "venue_rejected" });
    await expect(refusal).rejects.toThrow(/unauthorized|invalid/);
  });

  test("serves a credential through its whole life", async () => {
    const fields = secretFields({ api_key, api_secret });
    const { id } = await register(world.custody, owner, { accountId, ...place, label: "life", fields });
    const account = await invoke(world.custody, owner, id, {
      operation: "account",
      params: {},
      idempotencyKey: null,
    });
    expect(Object.keys(Object(account.result))).toEqual(
      expect.arrayContaining(["id", "cash", "buying_power"]),
    );
    await update(world.custody, owner, id, 1, { policy: { allow: ["read", "trade"] } });
    const order = { symbol: "AAPL", type: "limit", side: "buy", amount: "1", price: "1" };
    const idempotencyKey = `keyhold-test-${Date.now()}`;
    const placed = await invoke(world.custody, owner, id, {
      operation: "createOrder",
      params: order,
      idempotencyKey,
    });
    const placedId = String(Object(placed.result).id);
    await invoke(world.custody, owner, id, {
      operation: "cancelOrder",
      params: { id: placedId },
      idempotencyKey: `${idempotencyKey}-cancel`,
    });
    expect(await validate(world.custody, owner, id)).toMatchObject({ is_valid: true });
    expect(await revoke(world.custody, owner, id)).toMatchObject({ status: "revoked" });
  });

  test("keeps one tenant's key from another", async () => {
    const fields = secretFields({ api_key, api_secret });
    const policy = { reveal: true };
    const { id } = await register(world.custody, owner, {
      accountId,
      ...place,
      label: "mine",
      fields,
      policy,
    });
    const stranger = (await world.createTenant()).owner;
    await expect(reveal(world.custody, stranger, id, "to see")).rejects.toMatchObject({ code: "not_found" });
    expect((await reveal(world.custody, owner, id, "to see")).byteLength).toBeGreaterThan(0);
  });
});
