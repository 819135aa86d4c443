import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { IssuedKey, KeyOptions } from "../../simulator/control.ts";
import { fault } from "../../simulator/faults.ts";
import { type Simulator, startSimulator } from "../../simulator/simulator.ts";
import { Secret } from "../../src/crypto/secret.ts";
import { createVenues, type Venues } from "../../src/venues/index.ts";
import type { CallTarget, FieldName, SecretFields, Venue } from "../../src/venues/venue.ts";
import type { Outcome, Valid, Verdict } from "../../src/venues/verdict.ts";
import { type VenueCase, venueCases } from "./venue-cases.ts";

const indefinite: readonly Outcome[] = [
  "clock_skew",
  "nonce",
  "rate_limited",
  "venue_unavailable",
  "timeout",
  "blocked",
  "unexpected_answer",
];

/** Ample where an answer is expected; short where none ever comes. */
const patient = 10_000;
const impatient = 200;

let simulator: Simulator;
let venues: Venues;
let hasty: Venues;

beforeAll(async () => {
  simulator = await startSimulator();
  const hosts = hostsOf(simulator);
  const egressAddresses = ["192.0.2.7"];
  venues = createVenues({ timeoutMs: patient, hosts, egressAddresses });
  hasty = createVenues({ timeoutMs: impatient, hosts, processes: 1 });
});

afterAll(async () => {
  await Promise.all([venues?.close(), hasty?.close()]);
  await simulator?.close();
});

beforeEach(() => simulator.control.reset());

/** Where a venue tells environments apart by a header, its one host stands for all of them. */
function hostsOf({ hosts, url }: Simulator) {
  const ids = [...new Set(hosts.map(({ venue }) => venue))];
  const environments = ["live", "paper", "testnet"] as const;
  return Object.fromEntries(
    ids.map((id) => [
      id,
      hosts.filter(({ venue }) => venue === id).length === 1
        ? url(id)
        : Object.fromEntries(
            environments
              .filter((environment) => hosts.some((it) => it.venue === id && it.environment === environment))
              .map((environment) => [environment, url(id, environment)]),
          ),
    ]),
  );
}

function venueOf(id: string, from: Venues = venues): Venue {
  const venue = from.get(id);
  if (venue === undefined) throw new Error(`no venue ${id}`);
  return venue;
}

function targetOf(key: IssuedKey): CallTarget {
  const texts: readonly (readonly [FieldName, string | undefined])[] = [
    ["api_key", key.apiKey],
    ["api_secret", key.apiSecret],
    ["passphrase", key.passphrase],
  ];
  const fields: SecretFields = new Map(
    texts.flatMap(([name, text]) => (text === undefined ? [] : [[name, Secret.fromText(text)] as const])),
  );
  return { tenantId: "tenant", environment: key.environment, fields };
}

function asValid(verdict: Verdict): Valid {
  if (verdict.outcome !== "valid") throw new Error(`${verdict.outcome}: ${verdict.message}`);
  return verdict;
}

describe.each(venueCases)("$id", (given: VenueCase) => {
  const addKey = (options: KeyOptions = {}) =>
    simulator.control.addKey(given.id, { environment: given.environment, ...given.keyOptions, ...options });
  const inspect = (key: IssuedKey) => venueOf(given.id).inspect(targetOf(key));

  test("a good key is valid and has the rights that the venue tells of", async () => {
    const verdict = asValid(await inspect(addKey()));
    expect(verdict.permissions).toMatchObject(given.goodPermissions);
    expect(verdict.permissions.unknownWords).toEqual([]);
  });

  test("an inspection is one request", async () => {
    await inspect(addKey());
    expect(simulator.control.countRequests({ venue: given.id })).toBe(1);
  });

  test.runIf(given.wrongSecret !== null)("the secret of another key is rejected", async () => {
    const { apiSecret } = addKey();
    const verdict = await inspect({ ...addKey(), apiSecret });
    expect(verdict).toMatchObject(given.wrongSecret ?? {});
  });

  test("a key that the venue no longer knows is rejected", async () => {
    const key = addKey();
    simulator.control.revokeKey(given.id, key.apiKey);
    expect(await inspect(key)).toMatchObject(given.unknownKey);
  });

  test("a refusal says unauthorized or invalid", async () => {
    const key = addKey();
    simulator.control.revokeKey(given.id, key.apiKey);
    const verdict = await inspect(key);
    expect(verdict.outcome === "valid" ? "" : verdict.message).toMatch(/unauthorized|invalid/);
  });

  test("a key that has ended is refused as the venue words it", async () => {
    const key = addKey();
    simulator.control.expireKey(given.id, key.apiKey);
    expect(await inspect(key)).toMatchObject(given.expired);
  });

  test.runIf(given.wrongAddress !== null)("an address that a key is not bound to is refused", async () => {
    expect(await inspect(addKey({ boundIps: ["198.51.100.9"] }))).toMatchObject(given.wrongAddress ?? {});
  });

  test.runIf(given.tells.withdraw)("a key that may withdraw is seen", async () => {
    const verdict = asValid(await inspect(addKey({ permissions: { withdraw: true } })));
    expect(verdict.permissions.withdraw).toBe("yes");
  });

  test.runIf(given.tells.withdraw)("a key that may only read is seen", async () => {
    const verdict = asValid(await inspect(addKey({ permissions: { trade: false } })));
    expect(verdict.permissions).toMatchObject({ read: "yes", trade: "no", withdraw: "no" });
  });

  test.runIf(given.tells.withdraw)("a permission that nobody has heard of is kept as unknown", async () => {
    const verdict = asValid(await inspect(addKey({ extraWords: [given.strangeWord] })));
    expect(verdict.permissions.unknownWords).toHaveLength(1);
  });

  test.runIf(given.tells.addresses)("the addresses that a key is bound to are told", async () => {
    const verdict = asValid(await inspect(addKey({ boundIps: ["127.0.0.1"] })));
    expect(verdict.permissions.boundIps).toEqual(["127.0.0.1"]);
  });

  test.runIf(given.tells.expiry)("the end of a key is told", async () => {
    const end = new Date(Date.now() + 20 * 86_400_000);
    const { expiresAt } = asValid(await inspect(addKey({ expiresAt: end.toISOString() })));
    const offBy = Math.abs(Date.parse(expiresAt ?? "") - end.getTime());
    expect(offBy).toBeLessThanOrEqual(86_400_000);
  });

  test.runIf(given.clock !== null)("a clock that is off is said to be off", async () => {
    const key = addKey();
    simulator.control.setClockSkew(given.id, 3_600_000);
    expect((await inspect(key)).outcome).toBe(given.clock);
  });

  const unfriendly = {
    "a page instead of an answer": fault.html(200),
    "an empty object": fault.emptyObject,
    "an empty body": fault.emptyBody,
    "a list": fault.json(200, []),
    "an object of no meaning": fault.json(200, { hello: "world" }),
    "a text": fault.json(200, "ok"),
    null: fault.json(200, null),
    "a redirect": fault.redirect("https://example.com/"),
    "a page with 403": fault.html(403),
    "a page with 429": fault.html(429),
    "a page with 451": fault.html(451),
    "a page with 500": fault.html(500),
    "a page with 503": fault.html(503),
    "a reset connection": fault.reset,
    "too many requests in its own words": fault.refuse("rate_limited"),
    "unavailable in its own words": fault.refuse("unavailable"),
  };

  test.each(Object.entries(unfriendly))("%s says nothing about a key", async (_name, failure) => {
    const key = addKey();
    simulator.control.fail(given.id, failure);
    expect(indefinite).toContain((await inspect(key)).outcome);
    simulator.control.clearFaults();
    expect((await inspect(key)).outcome).toBe("valid");
  });

  test.each([
    ["no answer at all", fault.hang],
    ["a body that never ends", fault.drip],
  ])("%s is a time-out", async (_name, failure) => {
    const key = addKey();
    simulator.control.fail(given.id, failure);
    expect((await venueOf(given.id, hasty).inspect(targetOf(key))).outcome).toBe("timeout");
  });

  test("a good key can be told apart from its other environments", async () => {
    const others = given.otherEnvironments.map(async (environment) => {
      const key = addKey({ environment });
      expect((await inspect(key)).outcome).toBe("valid");
      const lost = await venueOf(given.id).inspect({ ...targetOf(key), environment: given.environment });
      expect(lost.outcome).toBe("rejected");
    });
    await Promise.all(others);
    expect((await inspect(addKey())).outcome).toBe("valid");
  });
});

describe("keys that sign in other ways", () => {
  test.each([
    ["binance", "ed25519"],
    ["binance", "rsa"],
    ["coinbase", "ed25519"],
  ] as const)("%s with %s", async (id, signing) => {
    const key = simulator.control.addKey(id, { signing });
    expect((await venueOf(id).inspect(targetOf(key))).outcome).toBe("valid");
    const other = simulator.control.addKey(id, { signing });
    const mixed = { ...key, apiSecret: other.apiSecret };
    const { outcome } = await venueOf(id).inspect(targetOf(mixed));
    expect(outcome).toBe(id === "coinbase" ? "ambiguous" : "rejected");
  });
});

describe("a unified account at bitget", () => {
  test("is asked where it keeps its keys", async () => {
    const key = simulator.control.addKey("bitget", { account: "unified" });
    simulator.control.setAccount("bitget", "unified", { unified: true });
    const { permissions, account } = asValid(await venueOf("bitget").inspect(targetOf(key)));
    expect(permissions).toMatchObject({ read: "yes", trade: "yes", withdraw: "no" });
    expect(account.type).toBe("unified");
    expect(simulator.control.countRequests({ venue: "bitget" })).toBe(2);
  });
});

const traders = venueCases.filter((given) => given.symbol !== null);

describe.each(traders)("orders at $id", (given: VenueCase) => {
  const symbol = given.symbol ?? "";
  const clientOrderId = "0123456789abcdef0123456789abcdef";
  const order = { symbol, type: "limit", side: "buy", amount: "0.5", price: given.restingPrice };
  const placement = { operation: "createOrder", params: order, clientOrderId };
  const addKey = (options: KeyOptions = {}) =>
    simulator.control.addKey(given.id, { environment: given.environment, ...given.keyOptions, ...options });
  const invoke = (key: IssuedKey, operation: string, params: Record<string, unknown> = {}) =>
    venueOf(given.id).invoke(targetOf(key), { operation, params });
  const place = (key: IssuedKey) => venueOf(given.id).invoke(targetOf(key), placement);
  const find = (key: IssuedKey, id = clientOrderId) =>
    venueOf(given.id).findOrder(targetOf(key), { clientOrderId: id, symbol });
  const ordersOf = (key: IssuedKey) =>
    simulator.control.account(given.id, key.account, given.environment).orders;

  test("the balance is read", async () => {
    const answer = await invoke(addKey(), "fetchBalance");
    expect(answer).toMatchObject({ outcome: "done", result: { total: given.balance } });
  });

  test("the market is read: its price, its candles and what is offered", async () => {
    const key = addKey();
    const pair = given.id === "alpaca" ? "BTC/USD" : symbol;
    const price = Number(pair === symbol ? given.fillingPrice : 50_000);
    expect(await invoke(key, "fetchTicker", { symbol: pair })).toMatchObject({
      outcome: "done",
      result: { symbol: pair, last: price },
    });
    const candles = await invoke(key, "fetchOHLCV", { symbol: pair, timeframe: "1h", limit: 3 });
    expect(candles).toMatchObject({ outcome: "done", result: { length: 3, 0: { 1: price, 4: price } } });
    const book = await invoke(key, "fetchOrderBook", { symbol: pair, limit: 20 });
    expect(book).toMatchObject({
      outcome: "done",
      result: { bids: { 0: { 1: 10 } }, asks: { 0: { 1: 10 } } },
    });
  });

  test("an order is placed once, under the client order id, and is found by it", async () => {
    const key = addKey();
    expect(await place(key)).toMatchObject({ outcome: "done", result: { id: expect.any(String) } });
    expect(ordersOf(key)).toHaveLength(1);
    expect(ordersOf(key)[0]?.clientOrderId).toContain(clientOrderId.slice(0, 28));
    const found = await find(key);
    expect(found).toMatchObject({ outcome: "done", result: { id: ordersOf(key)[0]?.id, symbol } });
  });

  test("an order that was filled at once is found as well", async () => {
    const key = addKey();
    const params = { ...order, price: given.fillingPrice };
    expect((await venueOf(given.id).invoke(targetOf(key), { ...placement, params })).outcome).toBe("done");
    expect(ordersOf(key)).toMatchObject([{ status: "filled" }]);
    expect(await find(key)).toMatchObject({ outcome: "done", result: { status: "closed" } });
  });

  test("an order that was never placed is absent", async () => {
    const key = addKey();
    await place(key);
    expect(await find(key, "f".repeat(32))).toEqual({ outcome: "absent" });
  });

  test("an order whose answer is lost is uncertain, and is found afterwards", async () => {
    const key = addKey();
    await invoke(key, "fetchBalance");
    simulator.control.fail(given.id, fault.loseAnswer, { method: "POST", path: given.orderPath });
    expect(indefinite).toContain((await place(key)).outcome);
    simulator.control.clearFaults();
    expect(ordersOf(key)).toHaveLength(1);
    expect((await find(key)).outcome).toBe("done");
  });

  test.each([
    ["an empty object", fault.emptyObject],
    ["a page", fault.html(200)],
    ["a server error", fault.html(502)],
  ])("an order that is answered with %s is uncertain", async (_name, failure) => {
    const key = addKey();
    await invoke(key, "fetchBalance");
    simulator.control.fail(given.id, failure, { method: "POST", path: given.orderPath });
    expect(indefinite).toContain((await place(key)).outcome);
  });

  test.each([
    ["an empty object", fault.emptyObject],
    ["a page", fault.html(200)],
    ["a server error", fault.html(502)],
  ])("a look-up that is answered with %s does not say absent", async (_name, failure) => {
    const key = addKey();
    await invoke(key, "fetchBalance");
    simulator.control.fail(given.id, failure);
    expect(indefinite).toContain((await find(key)).outcome);
  });

  test("an order beyond the balance is refused and did not take place", async () => {
    const key = addKey();
    const params = { ...order, amount: "900", price: given.fillingPrice };
    const answer = await venueOf(given.id).invoke(targetOf(key), { ...placement, params });
    expect(answer.outcome).toBe("refused");
    expect(ordersOf(key)).toHaveLength(0);
  });

  test("open orders are listed and one is cancelled", async () => {
    const key = addKey();
    await place(key);
    const open = await invoke(key, "fetchOpenOrders", { symbol });
    expect(open).toMatchObject({ outcome: "done", result: [{ id: ordersOf(key)[0]?.id }] });
    const cancelled = await invoke(key, "cancelOrder", { id: ordersOf(key)[0]?.id, symbol });
    expect(cancelled.outcome).toBe("done");
    expect(ordersOf(key)).toMatchObject([{ status: "cancelled" }]);
  });

  test.runIf(given.positions !== null)("positions are read", async () => {
    const key = addKey({ account: "holder" });
    const positions = [{ base: "BTC", side: "long", quantity: "2", entryPrice: "45000" }] as const;
    simulator.control.setAccount(given.id, "holder", { environment: given.environment, positions });
    expect(await invoke(key, "fetchPositions", given.positions ?? {})).toMatchObject({
      outcome: "done",
      result: [{ side: "long" }],
    });
  });

  test("an operation with a bad key is rejected, and decides nothing else", async () => {
    const key = addKey();
    simulator.control.revokeKey(given.id, key.apiKey);
    expect((await invoke(key, "fetchBalance")).outcome).toBe(given.unknownKey.outcome);
  });
});
