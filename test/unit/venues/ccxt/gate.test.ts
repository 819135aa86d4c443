import { describe, expect, test } from "vitest";
import { openExchange } from "../../../../src/venues/ccxt/exchange.ts";
import { Withheld, type HttpRequest } from "../../../../src/venues/process/bounded-fetch.ts";
import { credentialsOf } from "../samples.ts";

/** Kraken, which may ask for the balance, and whatever it sends. */
async function kraken(permit: readonly string[] = ["private POST BalanceEx"]) {
  const sent: HttpRequest[] = [];
  const exchange = await openExchange("kraken", "live", {
    fields: credentialsOf("kraken"),
    permit: new Set(permit),
    send: async (request) => {
      sent.push(request);
      return { status: 200, headers: new Map(), body: '{"error":[],"result":{}}' };
    },
  });
  exchange.setMarkets([]);
  const call = (name: string, ...parameters: unknown[]): Promise<unknown> =>
    Promise.resolve(Reflect.apply(Reflect.get(exchange, name), exchange, parameters));
  return { sent, call, exchange };
}

describe("an exchange of ccxt", () => {
  test("sends what the operation may send", async () => {
    const { sent, exchange } = await kraken();
    await exchange.fetchBalance();
    expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([
      "POST https://api.kraken.com/0/private/BalanceEx",
    ]);
  });

  test.each([
    ["an implicit method", ["privatePostWithdraw", { asset: "XBT", key: "thief", amount: "1" }]],
    ["its other name", ["private_post_withdraw", { asset: "XBT" }]],
    ["a unified method", ["cancelAllOrders"]],
    ["a request by its parts", ["request", "Withdraw", "private", "POST", {}]],
    ["the way below that", ["fetch2", "Withdraw", "private", "POST", {}]],
    ["a URL of its own", ["fetch", "https://api.kraken.com/0/private/Withdraw", "POST", {}, "asset=XBT"]],
    ["another host", ["fetch", "https://thief.example/", "POST", {}, "key"]],
  ] as const)("sends nothing else by %s", async (_way, [name, ...parameters]) => {
    const { sent, call } = await kraken();
    await expect(call(name, ...parameters)).rejects.toThrow(Withheld);
    expect(sent).toEqual([]);
  });

  test("sends a request that was signed once, once", async () => {
    const { sent, call } = await kraken(["public GET Time"]);
    await call("fetchTime").catch(() => undefined);
    expect(sent).toHaveLength(1);
    const { url = "" } = sent[0] ?? {};
    await expect(call("fetch", url, "GET")).rejects.toThrow(Withheld);
    expect(sent).toHaveLength(1);
  });

  test("is judged by verb and section as well as by path", async () => {
    const { sent, call } = await kraken(["public GET Time", "private GET Withdraw", "public POST Withdraw"]);
    await expect(call("privatePostWithdraw", {})).rejects.toThrow(Withheld);
    expect(sent).toEqual([]);
  });
});
