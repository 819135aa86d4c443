import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fault } from "../../simulator/faults.ts";
import type { Scope } from "../../src/access/permissions.ts";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { freeze } from "../../src/credentials/freeze.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { update } from "../../src/credentials/update.ts";
import { eventsOf } from "../../testkit/record.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let custody: Custody;
let id: string;
let apiKey: string;
let accountName: string;

beforeAll(async () => {
  world = await createWorld();
  ({ custody } = world);
});
afterAll(() => world.close());
beforeEach(async () => {
  world.simulator.control.reset();
  tenant = await world.createTenant();
  owner = tenant.owner;
  const key = world.simulator.control.addKey("alpaca", { environment: "paper" });
  ({ apiKey, account: accountName } = key);
  const credential = await register(custody, owner, {
    accountId: await world.createAccount(owner),
    venue: "alpaca",
    environment: "paper",
    fields: secretFields({ api_key: key.apiKey, api_secret: key.apiSecret }),
    policy: { allow: ["read", "trade"] },
  });
  id = credential.id;
  world.simulator.control.clearRequests();
});

const terms = { symbol: "AAPL", type: "market", side: "buy", amount: "1" } as const;
const order = (key: string | null, params: Record<string, unknown> = terms, who: Member = owner) =>
  invoke(custody, who, id, { operation: "createOrder", params, idempotencyKey: key });
const read = (operation: string, params: Record<string, unknown> = {}, who: Member = owner) =>
  invoke(custody, who, id, { operation, params, idempotencyKey: null });

const sent = () =>
  world.simulator.control.countRequests({ venue: "alpaca", method: "POST", path: "/v2/orders" });
const placed = () => world.simulator.control.account("alpaca", accountName, "paper").orders.length;
const without = (...scopes: readonly Scope[]): Member => ({
  ...owner,
  scopes: new Set([...owner.scopes].filter((scope) => !scopes.includes(scope))),
});

/** As if everything had been declared so many seconds earlier. */
async function letPass(seconds: number): Promise<void> {
  await world.database.ownerPool.query(
    "update invocations set created_at = created_at - $1 * interval '1 second'",
    [seconds],
  );
}

describe("invoking", () => {
  test("runs a read at the venue and answers with its result alone", async () => {
    expect(await read("account")).toMatchObject({
      outcome: "done",
      operation: "account",
      result: { id: expect.any(String), cash: "100000", buying_power: "100000" },
      client_order_id: null,
    });
    expect((await eventsOf(custody.db, owner, id)).slice(-2)).toMatchObject([
      { event: "credential.used", detail: { purpose: "invoke", operation: "account" } },
      { event: "credential.invoke_finished", detail: { operation: "account", outcome: "done" } },
    ]);
  });

  test("an unknown operation is refused with those that there are, and the venue is not asked", async () => {
    for (const name of ["fly", "__proto__", "FETCHBALANCE", "transfer"]) {
      await expect(read(name)).rejects.toMatchObject({
        code: "unknown_operation",
        status: 400,
        facts: { operations: expect.arrayContaining(["account", "createOrder"]) },
      });
    }
    expect(world.simulator.control.countRequests({ venue: "alpaca" })).toBe(0);
  });

  test.each([
    [{ ...terms, amount: "-1" }, "params.amount"],
    [{ ...terms, amount: "0" }, "params.amount"],
    [{ ...terms, side: "hold" }, "params.side"],
    [{ ...terms, type: "limit" }, "params.price"],
    [{ ...terms, leverage: 10 }, "leverage"],
    [{}, "params.symbol"],
  ])("parameters that do not fit are named: %j", async (params, named) => {
    await expect(order("key", params)).rejects.toMatchObject({
      code: "malformed",
      detail: expect.stringContaining(named),
    });
    expect(world.simulator.control.countRequests({ venue: "alpaca" })).toBe(0);
    expect(await order("key"), "the key was not used up").toMatchObject({ outcome: "done" });
  });

  test("a class needs the caller's scope and the credential's policy", async () => {
    await expect(read("account", {}, without("credentials:use"))).rejects.toMatchObject({
      facts: { required_scope: "credentials:use" },
    });
    await expect(order("key", terms, without("credentials:trade"))).rejects.toMatchObject({
      facts: { required_scope: "credentials:trade" },
    });
    await update(custody, owner, id, 1, { policy: { allow: ["read"] } });
    await expect(order("key")).rejects.toMatchObject({ code: "policy_forbids" });
    expect(sent()).toBe(0);
    await update(custody, owner, id, 2, { policy: { allow: ["trade"] } });
    await expect(read("account")).rejects.toMatchObject({ code: "policy_forbids" });
    expect(await order("key"), "the key is free: nothing had been sent").toMatchObject({ outcome: "done" });
  });

  test("what the venue refuses is told in its words, and is no fault of the key", async () => {
    await expect(read("fetchOrder", { id: "nothing" })).rejects.toMatchObject({
      code: "venue_refused",
      detail: expect.stringContaining("order not found"),
    });
    expect(await show(custody, owner, id)).toMatchObject({ status: "active", health: "healthy" });
  });

  test("an authentication error in a live call decides nothing: the venue is asked about the key", async () => {
    world.simulator.control.fail("alpaca", fault.refuse("unknown_key"), { times: 1 });
    await expect(read("account")).rejects.toMatchObject({
      code: "venue_rejected",
      facts: { reason: "bad_key" },
    });
    expect(await show(custody, owner, id), "the inspection said valid").toMatchObject({ health: "healthy" });
    expect((await eventsOf(custody.db, owner, id)).at(-2)).toMatchObject({
      event: "credential.validated",
      detail: { actor: { kind: "system", task: "inspection" }, outcome: "valid" },
    });
    world.simulator.control.revokeKey("alpaca", apiKey);
    await expect(read("account")).rejects.toMatchObject({ code: "venue_rejected" });
    expect(await show(custody, owner, id), "a doubt, not yet an end").toMatchObject({
      status: "active",
      health: "unhealthy",
    });
  });

  test.each([
    [fault.status(503), "venue_unavailable"],
    [fault.html(200), "venue_unavailable"],
    [fault.emptyObject, "venue_unavailable"],
    [fault.reset, "venue_unavailable"],
  ])("a read that the venue does not answer is unavailable, and changes nothing: %j", async (what, code) => {
    world.simulator.control.fail("alpaca", what);
    await expect(read("account")).rejects.toMatchObject({ code });
    expect(await show(custody, owner, id)).toMatchObject({
      status: "active",
      health: "healthy",
      revision: 1,
    });
  });
});

describe("an order", () => {
  test("needs an Idempotency-Key", async () => {
    await expect(order(null)).rejects.toMatchObject({ code: "idempotency_key_required", status: 400 });
    expect(sent()).toBe(0);
  });

  test("is sent once for one key, and a repeat gives the same answer", async () => {
    const first = await order("key-1");
    expect(first).toMatchObject({
      outcome: "done",
      client_order_id: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(await order("key-1")).toEqual(first);
    expect([sent(), placed()]).toEqual([1, 1]);
    const second = await order("key-2");
    expect(second.client_order_id).not.toBe(first.client_order_id);
    expect([sent(), placed()]).toEqual([2, 2]);
  });

  test("with the same key and other terms is a mismatch", async () => {
    await order("key");
    await expect(order("key", { ...terms, amount: "2" })).rejects.toMatchObject({
      code: "idempotency_mismatch",
      status: 422,
    });
    const cancelling = invoke(custody, owner, id, {
      operation: "cancelOrder",
      params: { id: "x" },
      idempotencyKey: "key",
    });
    await expect(cancelling).rejects.toMatchObject({ code: "idempotency_mismatch" });
    expect(sent()).toBe(1);
  });

  test("of another member under the same key is another order", async () => {
    const admin = await tenant.addMember("admin");
    const [mine, theirs] = [await order("key"), await order("key", terms, admin)];
    expect(mine.client_order_id).not.toBe(theirs.client_order_id);
    expect(placed()).toBe(2);
  });

  test("that the venue refuses stays refused, and is not sent again", async () => {
    const huge = { ...terms, amount: "1000000" };
    const refused = { code: "venue_refused", detail: expect.stringContaining("insufficient") };
    await expect(order("key", huge)).rejects.toMatchObject(refused);
    await expect(order("key", huge)).rejects.toMatchObject(refused);
    expect([sent(), placed()]).toEqual([1, 0]);
  });

  test("whose answer is lost is unknown first; the repeat finds it and sends nothing", async () => {
    world.simulator.control.fail("alpaca", fault.loseAnswer, { times: 1, method: "POST" });
    const lost = await order("key");
    expect(lost).toMatchObject({ outcome: "outcome_unknown", result: null });
    expect(placed(), "the control: it was placed").toBe(1);
    const found = await order("key");
    expect(found).toMatchObject({ outcome: "done", client_order_id: lost.client_order_id });
    expect(found.result).toMatchObject({ clientOrderId: lost.client_order_id });
    expect(await order("key")).toEqual(found);
    expect([sent(), placed()]).toEqual([1, 1]);
    const outcomes = (await eventsOf(custody.db, owner, id)).flatMap(({ event, detail }) =>
      event === "credential.invoke_finished" ? [detail["outcome"]] : [],
    );
    expect(outcomes).toEqual(["outcome_unknown", "done"]);
  });

  test("whose answer is lost is never sent twice, by twenty repeats at once either", async () => {
    world.simulator.control.fail("alpaca", fault.loseAnswer, { times: 1, method: "POST" });
    await order("key");
    const all = await Promise.all(Array.from({ length: 20 }, () => order("key")));
    expect(new Set(all.map(({ outcome }) => outcome))).toEqual(new Set(["done"]));
    expect([sent(), placed()]).toEqual([1, 1]);
  });

  test("is sent once by twenty at once, of whom none knows of another", async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => order("key")));
    expect(all.filter(({ outcome }) => outcome === "done").length).toBeGreaterThan(0);
    expect(new Set(all.map(({ client_order_id }) => client_order_id)).size).toBe(1);
    expect([sent(), placed()]).toEqual([1, 1]);
    expect(await order("key")).toMatchObject({ outcome: "done" });
  });

  test("that never reached the venue is unknown at first, and refused once it cannot arrive any more", async () => {
    world.simulator.control.fail("alpaca", fault.reset, { times: 1, method: "POST" });
    expect(await order("key")).toMatchObject({ outcome: "outcome_unknown" });
    expect(await order("key")).toMatchObject({
      outcome: "outcome_unknown",
      message: expect.stringContaining("not known there yet"),
    });
    await letPass(61);
    const settled = { code: "venue_refused", detail: expect.stringContaining("was not placed") };
    await expect(order("key")).rejects.toMatchObject(settled);
    await expect(order("key")).rejects.toMatchObject(settled);
    expect([sent(), placed()]).toEqual([1, 0]);
  });

  test("stays unknown while the venue cannot be asked, and nothing is sent meanwhile", async () => {
    world.simulator.control.fail("alpaca", fault.loseAnswer, { times: 1, method: "POST" });
    await order("key");
    world.simulator.control.fail("alpaca", fault.status(503));
    await letPass(61);
    expect(await order("key")).toMatchObject({ outcome: "outcome_unknown" });
    world.simulator.control.clearFaults();
    expect(await order("key")).toMatchObject({ outcome: "done" });
    expect([sent(), placed()]).toEqual([1, 1]);
  });

  test("that hangs at the venue is unknown after the time-out", async () => {
    world.simulator.control.fail("alpaca", fault.hang, { times: 1, method: "POST" });
    expect(await order("key")).toMatchObject({ outcome: "outcome_unknown" });
    expect(sent()).toBe(1);
  });

  test("of a frozen credential is not sent, and the key stays free for later", async () => {
    await freeze(custody, owner, id, "an incident");
    await expect(order("key")).rejects.toMatchObject({ code: "frozen" });
    expect(sent()).toBe(0);
    const left = await world.database.owner
      .selectFrom("invocations")
      .selectAll()
      .where("credential_id", "=", id)
      .execute();
    expect(left).toEqual([]);
  });
});
