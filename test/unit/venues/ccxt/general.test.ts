import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { exchangeList } from "../../../../src/venues/ccxt/list.ts";
import { exchangeTable } from "../../../../src/venues/exchanges/index.ts";
import { type Canned, Loopback } from "../loopback.ts";
import { credentialsOf, inspectAt, performerAt, venueIds, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});

beforeEach(() => venue.forget());

afterAll(() => venue[Symbol.asyncDispose]());

const meaningless: readonly (readonly [string, Canned])[] = [
  ["an empty object", { body: "{}" }],
  ["an empty body", { body: "" }],
  ["a page", { body: "<!doctype html><title>hello</title>" }],
  ["an object of no meaning", { body: '{"hello":"world"}' }],
  ["an error nobody has heard of", { body: '{"oops":"your key is bad"}' }],
  ["a page with 401", { status: 401, body: "<html>401</html>" }],
  ["a page with 403", { status: 403, body: "<html>403</html>" }],
  ["a page with 404", { status: 404, body: "<html>404</html>" }],
  ["a page with 429", { status: 429, body: "<html>429</html>" }],
  ["a page with 503", { status: 503, body: "<html>503</html>" }],
];

describe.each(meaningless)("%s", (_name, answer) => {
  test("is a valid key at no venue of all", async () => {
    venue.say(answer);
    const believers: string[] = [];
    for (const id of venueIds) {
      if ((await inspectAt(perform, id)).outcome === "valid") believers.push(id);
    }
    expect(believers).toEqual([]);
  });
});

describe("an exchange without a row of its own", () => {
  const balances = [{ currency: "btc", available: "1.5", balance: "2", reserved: "0.5" }];

  test("proves a key by its balance and knows nothing of its rights", async () => {
    venue.sayJson([{ currency: "BTC", balance: "1.5", locked: "0.5", avg_buy_price: "0" }]);
    expect(await inspectAt(perform, "upbit")).toEqual({
      outcome: "valid",
      permissions: {
        read: "yes",
        trade: "unknown",
        withdraw: "unknown",
        transfer: "unknown",
        boundIps: null,
        unknownWords: [],
      },
      expiresAt: null,
      account: {},
    });
    expect(venue.received).toHaveLength(1);
  });

  test.each([
    ["bitstamp", 403, { status: "error", code: "API0011", reason: "API key not found" }, "rejected"],
    ["bitstamp", 403, { status: "error", reason: "No permission found" }, "insufficient_permission"],
    ["bitstamp", 403, { status: "error", reason: "Invalid nonce" }, "nonce"],
    ["upbit", 401, { error: { name: "invalid_access_key", message: "x" } }, "rejected"],
    ["upbit", 401, { error: { name: "out_of_scope", message: "x" } }, "insufficient_permission"],
    ["bitfinex", 500, ["error", 10100, "apikey: invalid"], "rejected"],
    ["bitfinex", 500, ["error", 20060, "maintenance"], "venue_unavailable"],
    ["deribit", 400, { error: { code: 13004, message: "invalid_credentials" } }, "rejected"],
    ["bitstamp", 403, { status: "error", reason: "IP address not allowed" }, "ip_not_allowed"],
    [
      "bitvavo",
      403,
      { errorCode: 307, error: "This key does not allow access from this IP." },
      "ip_not_allowed",
    ],
    ["upbit", 401, { error: { name: "no_authorization_ip", message: "x" } }, "ip_not_allowed"],
    ["bitfinex", 500, ["error", 10100, "apikey: not enabled"], "ambiguous"],
    ["upbit", 401, { error: { name: "expired_access_key", message: "x" } }, "ambiguous"],
    ["cryptocom", 401, { code: 40101, message: "Unauthorised" }, "ambiguous"],
    ["bitfinex", 500, ["error", 10114, "nonce: small"], "nonce"],
    ["hitbtc", 401, { error: { code: 1002, message: "Invalid API key, IP or permissions" } }, "ambiguous"],
    ["deribit", 403, { error: { code: 13021, message: "forbidden" } }, "insufficient_permission"],
    ["htx", 200, { status: "error", "err-code": "api-signature-not-valid", "err-msg": "x" }, "ambiguous"],
    ["bitstamp", 429, "too many", "rate_limited"],
    ["bitstamp", 451, "not here", "blocked"],
    ["bitstamp", 404, "nothing here", "unexpected_answer"],
  ] as const)("%s with %i %j is %s", async (id, status, body, outcome) => {
    venue.say({ status, body: typeof body === "string" ? body : JSON.stringify(body) });
    expect((await inspectAt(perform, id)).outcome).toBe(outcome);
  });

  test("whose reads are not signed never calls a key valid, whatever it answers", async () => {
    venue.sayJson(balances);
    for (const { id } of exchangeList.filter((it) => !it.provable)) {
      expect(await inspectAt(perform, id)).toMatchObject({
        outcome: "unproven",
        message: expect.stringContaining("nothing proves the key"),
      });
    }
    expect(venue.received).toEqual([]);
  });

  test("overtakes nonces of another program, and remembers how large they must be", async () => {
    const seen: number[] = [];
    let last = Date.now() * 1e3;
    venue.reply(({ headers }, response) => {
      const nonce = Number(headers["bfx-nonce"]);
      seen.push(nonce);
      const behind = nonce <= last;
      last = Math.max(last, nonce);
      response.writeHead(behind ? 500 : 200);
      response.end(
        JSON.stringify(behind ? ["error", 10114, "nonce: small"] : [["exchange", "BTC", 1, 0, 1]]),
      );
    });
    const fields = credentialsOf("bitfinex");
    expect((await inspectAt(perform, "bitfinex", fields)).outcome).toBe("valid");
    expect(seen.map((nonce) => String(nonce).length)).toEqual([13, 13, 16]);
    expect((await inspectAt(perform, "bitfinex", fields)).outcome).toBe("valid");
    expect(seen, "at once the next time").toHaveLength(4);
    expect((await inspectAt(perform, "bitfinex")).outcome, "each key is its own").toBe("valid");
    expect(seen.map((nonce) => String(nonce).length).slice(4)).toEqual([13, 13, 16]);
  });

  test("cannot look up orders by a client order id, and says so", async () => {
    const order = { clientOrderId: "0".repeat(32), symbol: "BTC/USD" };
    const job = { venue: "bitstamp", environment: "live", verb: "findOrder", order } as const;
    expect(await perform(job, new Map())).toMatchObject({
      outcome: "unexpected_answer",
      message: expect.stringContaining("no client order ids"),
    });
  });

  test("is every exchange of ccxt that is not in the table", () => {
    const general = exchangeList.filter(({ id }) => !exchangeTable.has(id) && id !== "alpaca");
    expect(general.length + exchangeTable.size).toBe(exchangeList.length - 1);
  });
});
