import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Loopback } from "../loopback.ts";
import { credentialsOf, performerAt, type Perform } from "../samples.ts";

const market = {
  name: "BTC/USD",
  description: "Bitcoin / U.S. dollar",
  market_symbol: "btcusd",
  base_currency: "BTC",
  base_decimals: 8,
  counter_currency: "USD",
  counter_decimals: 0,
  minimum_order_value: "10",
  trading: "Enabled",
  market_type: "SPOT",
};

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
});

beforeEach(() => {
  venue.forget();
  perform = performerAt(venue.url);
});

afterAll(() => venue[Symbol.asyncDispose]());

function place(status: number, body: unknown) {
  venue.reply((request, response) => {
    const list = request.url.startsWith("/api/v2/markets") ? [market] : [];
    response.writeHead(request.method === "GET" ? 200 : status);
    response.end(JSON.stringify(request.method === "GET" ? list : body));
  });
  const params = { symbol: "BTC/USD", type: "limit", side: "buy", amount: "0.5", price: "40000" };
  const invocation = { operation: "createOrder", params, clientOrderId: "0123456789abcdef0123456789abcdef" };
  return perform(
    { venue: "bitstamp", environment: "live", verb: "invoke", invocation },
    credentialsOf("bitstamp"),
  );
}

describe("an order at an exchange without a row of its own", () => {
  test("is placed by the exchange's own parameters, and carries no id of ours", async () => {
    const answer = await place(200, {
      id: "7",
      price: "40000",
      amount: "0.5",
      type: "0",
      datetime: "2026-11-20 10:00:00",
    });
    expect(answer).toMatchObject({ outcome: "done", result: { id: "7", symbol: "BTC/USD" } });
    const sent = venue.received.at(-1);
    expect(sent?.url).toBe("/api/v2/buy/btcusd/");
    expect(sent?.body).toContain("amount=0.5");
    expect(sent?.body).not.toContain("0123456789abcdef");
  });

  test.each([
    [
      400,
      {
        status: "error",
        reason: { __all__: ["You have only 0 USD available. Check your account balance for details."] },
      },
      "refused",
    ],
    [403, { status: "error", reason: { __all__: ["Minimum order size is 10 USD."] } }, "refused"],
    [403, { status: "error", reason: "No permission found" }, "insufficient_permission"],
    [403, { status: "error", reason: "API key not found", code: "API0001" }, "rejected"],
    [500, { status: "error", reason: { __all__: ["Something of the server"] } }, "venue_unavailable"],
    [429, { hello: "world" }, "rate_limited"],
    [403, { hello: "world" }, "blocked"],
    [404, { hello: "world" }, "unexpected_answer"],
    [200, {}, "unexpected_answer"],
    [200, { hello: "world" }, "unexpected_answer"],
  ])("that is answered with %i %j is %s", async (status, body, outcome) => {
    expect((await place(status, body)).outcome).toBe(outcome);
  });
});
