import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { register } from "../../src/credentials/register.ts";
import { openPool } from "../../src/db/connect.ts";
import { createTurns } from "../../src/db/turns.ts";
import { KeyholdError } from "../../src/errors.ts";
import type { InvokeResult, VenueDescription } from "../../src/venues/venue.ts";
import { eventsOf } from "../../testkit/record.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ({ owner } = await world.createTenant());
});

const terms = { symbol: "X/Y", type: "market", side: "buy", amount: "1" } as const;
const timeout: InvokeResult = { outcome: "timeout", message: "Scripted: too late." };

async function begin(changes: Partial<VenueDescription> = {}) {
  const venue = new ScriptedVenue(changes);
  const custody = venue.in(world.custody);
  const { id } = await register(custody, owner, {
    accountId: await world.createAccount(owner),
    venue: "scripted",
    environment: "live",
    fields: secretFields({ api_key: `key of ${owner.memberId}`, api_secret: "secret" }),
    policy: { allow: ["read", "trade", "transfer", "withdraw"] },
  });
  const order = (key: string, from: Custody = custody) =>
    invoke(from, owner, id, { operation: "createOrder", params: terms, idempotencyKey: key });
  return { venue, custody, id, order };
}

async function letPass(seconds: number): Promise<void> {
  await world.database.ownerPool.query(
    "update invocations set created_at = created_at - $1 * interval '1 second'",
    [seconds],
  );
}

describe("a request that Keyhold withholds", () => {
  const withheld = { outcome: "withheld", unsent: true, message: "Scripted: not sent." } as const;

  test("is told as not sent, not as the venue's word, and the key is free", async () => {
    const { venue, order } = await begin();
    venue.answer = () => withheld;
    await expect(order("key")).rejects.toMatchObject({ code: "request_withheld", facts: { sent: false } });
    venue.answer = () => ({ outcome: "done", result: { id: "1" } });
    expect(await order("key")).toMatchObject({ outcome: "done" });
    expect(venue.invocations).toBe(2);
  });

  test("ends a read with the same code", async () => {
    const { venue, custody, id } = await begin();
    venue.answer = () => withheld;
    const read = invoke(custody, owner, id, { operation: "fetchBalance", params: {}, idempotencyKey: null });
    await expect(read).rejects.toMatchObject({ code: "request_withheld" });
  });

  test("is not made of a transfer to somebody else: that is refused before", async () => {
    const { venue, custody, id } = await begin();
    const params = { code: "USD", amount: "1", fromAccount: "spot", toAccount: "thief@example.com" };
    const transfer = invoke(custody, owner, id, { operation: "transfer", params, idempotencyKey: "key" });
    await expect(transfer).rejects.toMatchObject({
      code: "malformed",
      detail: expect.stringContaining("margin"),
    });
    expect(venue.invocations).toBe(0);
  });
});

describe("a read that the venue did not answer", () => {
  const away: InvokeResult = { outcome: "venue_unavailable", message: "Scripted: 502." };

  async function readAfter(...answers: readonly InvokeResult[]) {
    const { venue, custody, id } = await begin();
    const given = answers.values();
    venue.answer = () => given.next().value ?? { outcome: "done", result: {} };
    const read = { operation: "fetchBalance", params: {}, idempotencyKey: null };
    const told = await invoke(custody, owner, id, read).catch((error: unknown) => error);
    return { told, venue, custody, id };
  }

  test("is read once more, in the same opening of the secret", async () => {
    const { told, venue, custody, id } = await readAfter(away);
    expect(told).toMatchObject({ outcome: "done" });
    expect(venue.invocations).toBe(2);
    const events = (await eventsOf(custody.db, owner, id)).map(({ event }) => event);
    expect(events.filter((event) => event.startsWith("credential.used"))).toHaveLength(1);
  });

  test("is read no third time", async () => {
    const { told, venue } = await readAfter(away, away);
    expect(told).toMatchObject({ code: "venue_unavailable" });
    expect(venue.invocations).toBe(2);
  });

  test.each([timeout, { outcome: "rate_limited", message: "Scripted: 429." } as const])(
    "is not read again where that would not help: %o",
    async (answer) => {
      const { venue } = await readAfter(answer);
      expect(venue.invocations).toBe(1);
    },
  );

  test("is no order: that is sent once", async () => {
    const { venue, order } = await begin();
    venue.answer = () => away;
    expect(await order("key")).toMatchObject({ outcome: "outcome_unknown" });
    expect(venue.invocations).toBe(1);
  });
});

describe("an answer that is lost for good", () => {
  test("is told without an order id where the venue finds none by it", async () => {
    const ids = async (clientOrderIds: boolean) =>
      (await (await begin({ clientOrderIds })).order("key")).client_order_id;
    expect(await ids(false)).toBeNull();
    expect(await ids(true)).toMatch(/^[0-9a-f]{32}$/);
  });

  test("stays unknown at a venue without client order ids, which is not asked", async () => {
    const { venue, order } = await begin({ clientOrderIds: false });
    venue.answer = () => timeout;
    expect(await order("key")).toMatchObject({ outcome: "outcome_unknown", message: timeout.message });
    await letPass(3600);
    for (let n = 0; n < 3; n += 1) {
      expect(await order("key")).toMatchObject({
        outcome: "outcome_unknown",
        message: expect.stringContaining("no way to look it up"),
      });
    }
    expect([venue.invocations, venue.lookUps]).toEqual([1, 0]);
  });

  test.each([
    ["cancelOrder", { id: "7" }],
    ["transfer", { code: "USD", amount: "1", fromAccount: "spot", toAccount: "margin" }],
    ["withdraw", { code: "USD", amount: "1", address: "somewhere" }],
  ])("stays unknown for %s, which no id of ours can find again", async (operation, params) => {
    const { venue, custody, id } = await begin();
    venue.answer = () => timeout;
    const repeat = () => invoke(custody, owner, id, { operation, params, idempotencyKey: "key" });
    expect(await repeat()).toMatchObject({ outcome: "outcome_unknown", client_order_id: null });
    await letPass(3600);
    expect(await repeat()).toMatchObject({ outcome: "outcome_unknown" });
    expect([venue.invocations, venue.lookUps]).toEqual([1, 0]);
  });

  test("is looked up after a crash before the answer was written down", async () => {
    const { venue, order } = await begin();
    await order("key");
    await world.database.ownerPool.query("update invocations set state = 'sending', result = null");
    venue.lookUp = ({ clientOrderId, symbol }) => ({ outcome: "done", result: { clientOrderId, symbol } });
    const found = await order("key");
    expect(found.result).toEqual({ clientOrderId: found.client_order_id, symbol: "X/Y" });
    expect(venue.invocations).toBe(1);
  });
});

describe("a repeat while the first is still under way", () => {
  /** The venue answers the first call when the test says so. */
  async function pending(answer: InvokeResult) {
    const begun = await begin();
    const asked = Promise.withResolvers<undefined>();
    const release = Promise.withResolvers<undefined>();
    begun.venue.answer = async () => {
      asked.resolve(undefined);
      await release.promise;
      return answer;
    };
    const first = begun.order("key");
    await asked.promise;
    const finish = async () => {
      release.resolve(undefined);
      return first;
    };
    return { ...begun, finish };
  }

  test("that found the order is not overruled by the first one's time-out", async () => {
    const { venue, order, finish } = await pending(timeout);
    venue.lookUp = () => ({ outcome: "done", result: { id: "found" } });
    expect(await order("key")).toMatchObject({ outcome: "done", result: { id: "found" } });
    expect(await finish()).toMatchObject({ outcome: "done", result: { id: "found" } });
    expect(await order("key")).toMatchObject({ outcome: "done", result: { id: "found" } });
  });

  test("is one order in the record, however many repeats learn of it", async () => {
    const { venue, custody, id, order, finish } = await pending({ outcome: "done", result: { id: "1" } });
    venue.lookUp = () => ({ outcome: "done", result: { id: "1" } });
    await Promise.all(Array.from({ length: 7 }, () => order("key")));
    await finish();
    await order("key");
    const outcomes = async () =>
      (await eventsOf(custody.db, owner, id)).flatMap(({ event, detail }) =>
        event === "credential.invoke_finished" ? [detail["outcome"]] : [],
      );
    expect(await outcomes()).toEqual(["done"]);
    await order("another key");
    expect(await outcomes(), "another order is another event").toEqual(["done", "done"]);
  });

  test("that found nothing in time is overruled by the proof that it was done", async () => {
    const { order, finish } = await pending({ outcome: "done", result: { id: "late" } });
    await letPass(61);
    await expect(order("key")).rejects.toMatchObject({ code: "venue_refused" });
    expect(await finish()).toMatchObject({ outcome: "done", result: { id: "late" } });
    expect(await order("key")).toMatchObject({ outcome: "done", result: { id: "late" } });
  });

  test("says that the order is not known yet, and sends nothing", async () => {
    const { venue, order, finish } = await pending({ outcome: "done", result: {} });
    expect(await order("key")).toMatchObject({ outcome: "outcome_unknown" });
    expect(await finish()).toMatchObject({ outcome: "done" });
    expect(venue.invocations).toBe(1);
  });
});

describe("what a venue answers", () => {
  test("is kept to the letter, whatever characters it holds", async () => {
    const { venue, order } = await begin();
    const result = { b: "\0 \uD800 \u2028 é", a: 1e21, "": [null, 0.1] };
    venue.answer = () => ({ outcome: "done", result });
    expect((await order("key")).result).toEqual(result);
    const repeated = await order("key");
    expect(repeated.result).toEqual(result);
    expect(Object.keys(repeated.result ?? {})).toEqual(["b", "a", ""]);
  });

  test("a call that breaks off inside the venue's own code counts as sent", async () => {
    const { venue, order } = await begin();
    venue.answer = () => {
      throw new TypeError("a bug in an adapter");
    };
    expect(await order("key")).toMatchObject({ outcome: "outcome_unknown" });
    expect(venue.invocations).toBe(1);
  });
});

describe("what was not sent", () => {
  test.each([
    [
      "an answer that says so",
      { outcome: "venue_unavailable", message: "Scripted: away.", unsent: true },
      "not_sent",
    ],
    [
      "a refusal of our own checks",
      { outcome: "refused", message: "Scripted: no.", unsent: true },
      "unsendable",
    ],
    ["an error of Keyhold's own", null, "venue_unavailable"],
  ] as const)("is told as such, and its key is free: %s", async (_, answer, code) => {
    const { venue, order } = await begin();
    venue.answer = () => {
      if (answer === null) throw new KeyholdError("venue_unavailable", "The call was not made.");
      return answer;
    };
    await expect(order("key")).rejects.toMatchObject({
      code,
      facts: { sent: false },
      detail: expect.stringContaining("may be used again"),
    });
    venue.answer = () => ({ outcome: "done", result: {} });
    expect(await order("key")).toMatchObject({ outcome: "done" });
  });
});

describe("where nonces rise", () => {
  test("calls with one credential are made one after the other, in all processes; others are not held up", async () => {
    const { venue, custody, order } = await begin({ risingNonce: true });
    const pool = openPool(world.database.connection("keyhold_app"), { applicationName: "another process" });
    const elsewhere: Custody = { ...custody, turns: createTurns(pool) };
    let running = 0;
    let most = 0;
    venue.answer = async () => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running -= 1;
      return { outcome: "done", result: {} };
    };
    await Promise.all(
      Array.from({ length: 12 }, (_, n) => order(`key-${n}`, n % 2 === 0 ? custody : elsewhere)),
    );
    expect(most).toBe(1);
    expect(venue.invocations).toBe(12);

    const freely = await begin();
    freely.venue.answer = venue.answer;
    most = 0;
    await Promise.all(Array.from({ length: 12 }, (_, n) => freely.order(`key-${n}`)));
    expect(most, "the control: without rising nonces they overlap").toBeGreaterThan(1);
    await pool.end();
  });

  test("an order whose turn comes too late is not sent, and its key stays free", async () => {
    const { venue, custody, order } = await begin({ risingNonce: true });
    // The turn comes when the clock of this process has gone on by 31 seconds.
    const late: Custody = {
      ...custody,
      turns: async (_key, work) => {
        const later = performance.now() + 31_000;
        const clock = vi.spyOn(performance, "now").mockReturnValue(later);
        return work().finally(() => clock.mockRestore());
      },
    };
    await expect(order("key", late)).rejects.toMatchObject({
      code: "no_turn",
      detail: expect.stringContaining("was not made"),
      facts: { sent: false },
    });
    expect(venue.invocations).toBe(0);
    expect(await order("key")).toMatchObject({ outcome: "done" });
  });
});
