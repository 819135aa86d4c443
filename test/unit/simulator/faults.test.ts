import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { fault } from "../../../simulator/faults.ts";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());
beforeEach(() => simulator.control.reset());

const path = "/api/v3/time";
const ask = (init: RequestInit = {}): Promise<Response> =>
  fetch(simulator.url("binance") + path, { redirect: "manual", ...init });

/** True when the promise is still undecided after a moment that is ample for an answer over loopback. */
const undecided = async (promise: Promise<unknown>): Promise<boolean> => {
  const waiting = Symbol("waiting");
  return (await Promise.race([promise.catch(() => undefined), sleep(300, waiting)])) === waiting;
};

describe("a failure switch", () => {
  test.each([
    ["401", fault.status(401), 401, /^\{/],
    ["403 as HTML", fault.html(403), 403, /^<!doctype html>/],
    ["429", fault.status(429), 429, /^\{/],
    ["503", fault.status(503), 503, /^\{/],
    ["502 as HTML", fault.html(502), 502, /^<!doctype html>/],
    ["200 as HTML", fault.html(200), 200, /^<!doctype html>/],
    ["200 with an empty object", fault.emptyObject, 200, /^\{\}$/],
    ["200 with an empty body", fault.emptyBody, 200, /^$/],
    ["a literal answer", fault.json(400, { code: 10016 }), 400, /^\{"code":10016\}$/],
    ["the venue's own refusal", fault.refuse("rate_limited"), 429, /"code":-1003/],
  ] as const)("answers %s, once when told once", async (_name, planned, status, body) => {
    simulator.control.fail("binance", planned, { times: 1 });
    const first = await ask();
    expect(first.status).toBe(status);
    expect(await first.text()).toMatch(body);
    expect(await (await ask()).json()).toHaveProperty("serverTime");
  });

  test("sends the client elsewhere", async () => {
    simulator.control.fail("binance", fault.redirect("http://203.0.113.7/elsewhere"), { times: 1 });
    const answer = await ask();
    expect([answer.status, answer.headers.get("location")]).toEqual([302, "http://203.0.113.7/elsewhere"]);
  });

  test("never answers", async () => {
    simulator.control.fail("binance", fault.hang, { times: 1 });
    const client = new AbortController();
    expect(await undecided(ask({ signal: client.signal }))).toBe(true);
    client.abort();
    expect((await ask()).status).toBe(200);
    expect(simulator.control.requests().map(({ status, fault }) => [status, fault])).toEqual([
      [null, "hang"],
      [200, null],
    ]);
  });

  test("sends headers at once and a body without end", async () => {
    simulator.control.fail("binance", { kind: "drip", everyMs: 5 }, { times: 1 });
    const client = new AbortController();
    const answer = await ask({ signal: client.signal });
    expect(answer.status).toBe(200);
    expect(await undecided(answer.text())).toBe(true);
    client.abort();
  });

  test("resets the connection", async () => {
    simulator.control.fail("binance", fault.reset, { times: 1 });
    await expect(ask()).rejects.toMatchObject({ cause: { code: "ECONNRESET" } });
    expect((await ask()).status).toBe(200);
  });

  test("sends a huge body of exactly that many bytes", async () => {
    simulator.control.fail("binance", fault.huge(5_000_001), { times: 1 });
    expect((await (await ask()).arrayBuffer()).byteLength).toBe(5_000_001);
  });

  test("stays until it is cleared when no number of times is given", async () => {
    simulator.control.fail("binance", fault.status(500));
    for (let n = 0; n < 3; n += 1) expect((await ask()).status).toBe(500);
    simulator.control.clearFaults("binance");
    expect((await ask()).status).toBe(200);
  });

  test("touches only the path, method and venue that it names", async () => {
    simulator.control.fail("binance", fault.status(500), { path: "/api/v3/account" });
    simulator.control.fail("binance", fault.status(501), { method: "POST" });
    simulator.control.fail("alpaca", fault.status(502));
    expect((await ask()).status).toBe(200);
    expect((await ask({ method: "POST" })).status).toBe(501);
    expect((await fetch(`${simulator.url("binance")}/api/v3/account?x=1`)).status).toBe(500);
    expect((await fetch(`${simulator.url("alpaca")}/v2/account`)).status).toBe(502);
  });

  test("meets paths that the venue does not have, too", async () => {
    simulator.control.fail("binance", fault.status(500), { times: 1, path: "/nowhere" });
    expect((await fetch(`${simulator.url("binance")}/nowhere`)).status).toBe(500);
    expect((await fetch(`${simulator.url("binance")}/nowhere`)).status).toBe(404);
  });
});

test("a lost answer leaves the order placed and the client without a word", async () => {
  const key = simulator.control.addKey("alpaca", { account: "trader" });
  const order = { symbol: "AAPL", side: "buy", type: "market", qty: "1", time_in_force: "day" };
  const place = () =>
    fetch(`${simulator.url("alpaca")}/v2/orders`, {
      method: "POST",
      headers: {
        "APCA-API-KEY-ID": key.apiKey,
        "APCA-API-SECRET-KEY": key.apiSecret,
        "content-type": "application/json",
      },
      body: JSON.stringify({ ...order, client_order_id: "once" }),
    });
  simulator.control.fail("alpaca", fault.loseAnswer, { times: 1, method: "POST" });
  await expect(place()).rejects.toThrow("fetch failed");
  expect(simulator.control.account("alpaca", "trader").orders).toMatchObject([{ clientOrderId: "once" }]);
  expect((await place()).status).toBe(422);
  expect(simulator.control.account("alpaca", "trader").orders).toHaveLength(1);
  expect(simulator.control.countRequests({ venue: "alpaca", method: "POST", path: "/v2/orders" })).toBe(2);
});
