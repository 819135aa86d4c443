import type { Exchange } from "ccxt";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Environment } from "../../../simulator/accounts.ts";
import type { IssuedKey, KeyOptions } from "../../../simulator/control.ts";
import type { Reason } from "../../../simulator/refusal.ts";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";
import type { VenueId } from "../../../simulator/venue.ts";
import type { Alteration } from "./alter.ts";
import { clientOf, send, type Client } from "./client.ts";

/** `body` is compared by `toMatchObject` when it is an object, by `toContain` when it is text. */
type Refusal = readonly [reason: Reason, status: number, body: string | Readonly<Record<string, unknown>>];

export type VenueCase<E extends Exchange> = Readonly<{
  venue: VenueId;
  environment: Environment;
  venueClass: new (config: Record<string, unknown>) => E;
  config?: Record<string, unknown>;
  symbol: string;
  /** The call that tells what a key may do. */
  inspect: (exchange: E, key: IssuedKey) => Promise<unknown>;
  /** ccxt's unified look-up by client order id. */
  find: (exchange: E, clientOrderId: string) => Promise<{ clientOrderId?: string | undefined }>;
  /** Client order ids of this venue's shape. */
  clientOrderId: (n: number) => string;
  /** How ccxt is given a client order id here, where it is not `clientOrderId`. */
  orderParams?: (clientOrderId: string) => Record<string, string>;
  /**
   * What becomes of a second open order with the same client order id; refused where not said. `answered`: the
   * first order is shown again and nothing happens.
   */
  duplicates?: "refused" | "accepted" | "answered";
  /** Parts of a signed key-information call and of a signed order that the signature covers. */
  alterInspect: Readonly<Record<string, Alteration>>;
  alterOrder: Readonly<Record<string, Alteration>>;
  /** Swaps the key of a request for another working key. */
  otherKey: (other: IssuedKey) => Alteration;
  /** What the key-information call answers, by reason. */
  refusals: readonly Refusal[];
}>;

const authReasons: readonly Reason[] = [
  "missing_credentials",
  "unknown_key",
  "bad_signature",
  "wrong_passphrase",
];

/** What every simulated venue with signed requests must do; ccxt is the client because it signs by itself. */
export function venueSuite<E extends Exchange>(given: VenueCase<E>): void {
  const { venue, environment, venueClass, symbol } = given;
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator();
  });
  afterAll(() => simulator.close());
  beforeEach(() => simulator.control.reset());

  const newKey = (options: KeyOptions = {}): IssuedKey =>
    simulator.control.addKey(venue, { environment, ...options });
  const connect = (key: IssuedKey): Client<E> => clientOf(venueClass, simulator, key, given.config);
  const lastRequest = () => simulator.control.requests({ venue }).at(-1);
  const limitOrder = (exchange: E, clientOrderId: string) =>
    exchange.createOrder(symbol, "limit", "buy", 0.01, 40000, {
      ...(given.orderParams?.(clientOrderId) ?? { clientOrderId }),
    });

  describe("a client with a working key", () => {
    test("reads what the key may do in one request", async () => {
      const key = newKey();
      await given.inspect(connect(key).exchange, key);
      expect(simulator.control.requests({ venue })).toMatchObject([{ status: 200, keyId: key.keyId }]);
    });

    test("reads balances, places an order, finds it by its client order id, lists it and cancels it", async () => {
      const key = newKey({ account: "trader" });
      const { exchange } = connect(key);
      const before = await exchange.fetchBalance();
      const id = given.clientOrderId(1);
      const placed = await limitOrder(exchange, id);
      expect((await given.find(exchange, id)).clientOrderId).toBe(id);
      expect((await exchange.fetchOpenOrders(symbol)).map((order) => order.id)).toEqual([placed.id]);
      const quote = symbol.split("/")[1] ?? "";
      const during = await exchange.fetchBalance();
      expect(Number(before[quote]?.free) - Number(during[quote]?.free)).toBeCloseTo(400, 6);
      await exchange.cancelOrder(String(placed.id), symbol);
      expect(await exchange.fetchOpenOrders(symbol)).toEqual([]);
      expect(simulator.control.account(venue, "trader", environment).orders).toMatchObject([
        { clientOrderId: id, status: "cancelled" },
      ]);
    });

    const duplicates = given.duplicates ?? "refused";
    test(`has a second open order with the same client order id ${duplicates}`, async () => {
      const { exchange } = connect(newKey({ account: "trader" }));
      const orders = () => simulator.control.account(venue, "trader", environment).orders.length;
      const id = given.clientOrderId(2);
      await limitOrder(exchange, id);
      const second = limitOrder(exchange, id);
      if (duplicates === "refused") await expect(second).rejects.toThrow();
      else await second;
      expect(lastRequest()?.refusal).toBe(duplicates === "refused" ? "duplicate_order" : null);
      const after = duplicates === "accepted" ? 2 : 1;
      expect(orders()).toBe(after);
      await limitOrder(exchange, given.clientOrderId(3));
      expect(orders()).toBe(after + 1);
    });
  });

  describe("a signed request", () => {
    const check = async (
      client: Client<E>,
      call: (exchange: E) => Promise<unknown>,
      alteration: Alteration,
    ) => {
      const sent = await client.signed(call);
      await send(alteration(sent));
      expect(lastRequest()).toMatchObject({ keyId: null });
      expect(authReasons).toContain(lastRequest()?.refusal);
      // The control comes last: where nonces rise, a refused request must not have used one up.
      await send(sent);
      expect(lastRequest()).toMatchObject({ refusal: null });
    };

    test.each(Object.entries(given.alterInspect))(
      "for key information is refused with its %s altered",
      (_part, alter) => {
        const key = newKey();
        return check(connect(key), (exchange) => given.inspect(exchange, key), alter);
      },
    );

    test.each(Object.entries(given.alterOrder))(
      "for an order is refused with its %s altered",
      async (_part, alter) => {
        const client = connect(newKey());
        await client.exchange.loadMarkets();
        return check(client, (exchange) => limitOrder(exchange, given.clientOrderId(4)), alter);
      },
    );

    test("is refused under another working key", () => {
      const key = newKey();
      const other = newKey();
      return check(connect(key), (exchange) => given.inspect(exchange, key), given.otherKey(other));
    });
  });

  describe("the venue's own answer", () => {
    const arrange: Partial<Record<Reason, () => IssuedKey>> = {
      unknown_key: () => {
        const key = newKey();
        simulator.control.revokeKey(venue, key.apiKey);
        return key;
      },
      bad_signature: () => {
        const key = newKey();
        const other = simulator.control.addKey(venue, { environment });
        return { ...key, apiSecret: other.apiSecret };
      },
      wrong_passphrase: () => ({ ...newKey(), passphrase: "not-the-passphrase" }),
      expired_key: () => {
        const key = newKey();
        simulator.control.expireKey(venue, key.apiKey);
        return key;
      },
      ip_not_allowed: () => newKey({ boundIps: ["203.0.113.7"] }),
      insufficient_permission: () => newKey({ permissions: { read: false } }),
      account_locked: () => {
        simulator.control.setAccount(venue, "locked", { environment, locked: true });
        return newKey({ account: "locked" });
      },
      clock_skew: () => {
        simulator.control.setClockSkew(venue, 10 * 60_000);
        return newKey();
      },
      rate_limited: () => {
        simulator.control.fail(venue, { kind: "refuse", reason: "rate_limited" });
        return newKey();
      },
      unavailable: () => {
        simulator.control.fail(venue, { kind: "refuse", reason: "unavailable" });
        return newKey();
      },
    };

    test.each(given.refusals)("for %s is the documented one", async (reason, status, body) => {
      const key = arrange[reason]?.() ?? newKey();
      const sent = await connect(key).signed((exchange) => given.inspect(exchange, key));
      const answer = await send(sent);
      expect(lastRequest()?.refusal).toBe(reason);
      expect(answer.status).toBe(status);
      const text = await answer.text();
      if (typeof body === "string") expect(text).toContain(body);
      else expect(JSON.parse(text)).toMatchObject(body);
    });

    test("to the same request is no refusal when nothing is wrong", async () => {
      const key = newKey({ boundIps: ["127.0.0.1"], permissions: { read: true } });
      const sent = await connect(key).signed((exchange) => given.inspect(exchange, key));
      expect((await send(sent)).status).toBe(200);
      expect(lastRequest()?.refusal).toBeNull();
    });
  });
}
