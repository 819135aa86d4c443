import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { IssuedKey } from "../../../simulator/control.ts";
import { startSimulator, type Simulator } from "../../../simulator/simulator.ts";

let simulator: Simulator;
beforeAll(async () => {
  simulator = await startSimulator();
});
afterAll(() => simulator.close());
beforeEach(() => simulator.control.reset());

const account = async (key: Pick<IssuedKey, "apiKey" | "apiSecret">) =>
  fetch(`${simulator.url("alpaca", "paper")}/v2/account`, {
    headers: { "APCA-API-KEY-ID": key.apiKey, "APCA-API-SECRET-KEY": key.apiSecret },
  });

describe("keys", () => {
  test("that name the same account share it, others do not", async () => {
    const [first, second, third] = [
      simulator.control.addKey("alpaca", { account: "shared" }),
      simulator.control.addKey("alpaca", { account: "shared" }),
      simulator.control.addKey("alpaca"),
    ];
    const ids = await Promise.all(
      [first, second, third].map(async (key) => {
        const shown: unknown = await (await account(key)).json();
        return shown;
      }),
    );
    expect(ids[0]).toEqual(ids[1]);
    expect(ids[0]).not.toEqual(ids[2]);
    expect(first.accountNumber).toBe(second.accountNumber);
  });

  test("are taken as they are given", async () => {
    const given = { apiKey: "PKGIVEN", apiSecret: "given-secret" };
    expect(simulator.control.addKey("alpaca", given)).toMatchObject(given);
    expect((await account(given)).status).toBe(200);
    expect(() => simulator.control.addKey("alpaca", given)).toThrow("exists already");
  });

  test("end at the time that was set", async () => {
    const past = new Date(Date.now() - 1000).toISOString();
    const future = new Date(Date.now() + 3_600_000).toISOString();
    expect((await account(simulator.control.addKey("alpaca", { expiresAt: past }))).status).toBe(401);
    const key = simulator.control.addKey("alpaca", { expiresAt: future });
    expect((await account(key)).status).toBe(200);
    simulator.control.setClockSkew("alpaca", 2 * 3_600_000);
    expect((await account(key)).status).toBe(401);
  });

  test("can be bound to addresses and freed again", async () => {
    const key = simulator.control.addKey("alpaca");
    simulator.control.bindIps("alpaca", key.apiKey, ["203.0.113.7"]);
    expect((await account(key)).status).toBe(403);
    simulator.control.bindIps("alpaca", key.apiKey, []);
    expect((await account(key)).status).toBe(200);
  });

  test("that do not exist cannot be changed", () => {
    expect(() => simulator.control.revokeKey("alpaca", "PKNOBODY")).toThrow("no such key");
  });
});

describe("the request log", () => {
  test("says who asked for what and what came of it, and holds no secret", async () => {
    const key = simulator.control.addKey("alpaca");
    await account(key);
    await account({ ...key, apiSecret: "wrong" });
    const requests = simulator.control.requests({ venue: "alpaca" });
    expect(requests).toMatchObject([
      { method: "GET", path: "/v2/account", status: 200, keyId: key.keyId, refusal: null },
      { method: "GET", path: "/v2/account", status: 401, keyId: null, refusal: "bad_signature" },
    ]);
    const text = JSON.stringify(requests);
    for (const secret of [key.apiKey, key.apiSecret]) expect(text).not.toContain(secret);
    expect(JSON.stringify([...requests, key])).toContain(key.apiSecret);
  });

  test("counts what fits a filter", async () => {
    await account(simulator.control.addKey("alpaca"));
    await fetch(`${simulator.url("binance")}/api/v3/time`);
    expect(simulator.control.countRequests()).toBe(2);
    expect(simulator.control.countRequests({ venue: "binance", path: "/api/" })).toBe(1);
    expect(simulator.control.countRequests({ method: "POST" })).toBe(0);
    simulator.control.clearRequests();
    expect(simulator.control.countRequests()).toBe(0);
  });
});

describe("the control API", () => {
  const control = (verb: string, body?: unknown) =>
    fetch(`${simulator.controlUrl}/_control/${verb}`, {
      method: "POST",
      ...(body !== undefined && {
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    });

  test("lists the hosts", async () => {
    expect(await (await fetch(`${simulator.controlUrl}/_control/hosts`)).json()).toEqual(simulator.hosts);
  });

  test("does over HTTP what the object does in the process", async () => {
    const made = await control("add-key", {
      venue: "alpaca",
      apiKey: "PKHTTP",
      apiSecret: "s",
      account: "a",
    });
    expect([made.status, await made.json()]).toMatchObject([200, { apiKey: "PKHTTP", keyId: "alpaca-1" }]);
    const key = { apiKey: "PKHTTP", apiSecret: "s" };
    expect((await account(key)).status).toBe(200);

    const at = { venue: "alpaca", apiKey: "PKHTTP" };
    const steps = [
      ["bind-ips", { ...at, boundIps: ["203.0.113.7"] }, 403],
      ["bind-ips", { ...at, boundIps: [] }, 200],
      ["set-permissions", { ...at, permissions: { read: false } }, 403],
      ["set-permissions", { ...at, permissions: { read: true } }, 200],
      ["set-account", { venue: "alpaca", account: "a", locked: true }, 403],
      ["set-account", { venue: "alpaca", account: "a", locked: false, balances: { USD: "5" } }, 200],
      ["fail", { venue: "alpaca", fault: { kind: "answer", status: 418, body: "" } }, 418],
      ["clear-faults", { venue: "alpaca" }, 200],
      ["set-clock-skew", { venue: "alpaca", skewMs: 60_000 }, 200],
      ["expire-key", at, 401],
      ["expire-key", { ...at, at: "2999-01-01T00:00:00Z" }, 200],
      ["revoke-key", at, 401],
    ] as const;
    for (const [verb, body, status] of steps) {
      expect([verb, (await control(verb, body)).status]).toEqual([verb, 204]);
      expect([verb, (await account(key)).status]).toEqual([verb, status]);
    }
    const view = await (await control("account", { venue: "alpaca", account: "a" })).json();
    expect(view).toMatchObject({ balances: { USD: { free: "5" } }, orders: [] });
    expect(await (await control("count-requests", { venue: "alpaca" })).json()).toEqual({
      count: 1 + steps.length,
    });
    const accepted = 1 + steps.filter(([, , status]) => status === 200).length;
    expect(await (await control("requests", { keyId: "alpaca-1" })).json()).toHaveLength(accepted);
    expect((await control("clear-requests")).status).toBe(204);
    expect((await control("reset")).status).toBe(204);
    expect(simulator.control.countRequests()).toBe(0);
  });

  test.each([
    ["an unknown venue", "add-key", { venue: "nowhere" }],
    ["an unknown property", "add-key", { venue: "alpaca", secret: "s" }],
    ["a failure without its parts", "fail", { venue: "alpaca", fault: { kind: "answer" } }],
    ["a failure that nobody knows", "fail", { venue: "alpaca", fault: { kind: "explode" } }],
  ])("refuses %s with 400", async (_name, verb, body) => {
    expect((await control(verb, body)).status).toBe(400);
  });
});

test("addresses stay the same over a reset, and close ends what still hangs", async () => {
  const own = await startSimulator();
  const before = own.url("binance");
  own.control.reset();
  expect(own.url("binance")).toBe(before);
  own.control.fail("binance", { kind: "hang" });
  const hanging = fetch(`${before}/api/v3/time`);
  const outcome = hanging.then(
    () => "answered",
    () => "ended",
  );
  while (own.control.countRequests() === 0) await new Promise((resolve) => setImmediate(resolve));
  await own.close();
  expect(await outcome).toBe("ended");
});

/** A row of ports that nobody has; below those that the system gives to whoever asks for any. */
async function startAtChosenPorts(): Promise<Readonly<{ chosen: Simulator; port: number }>> {
  const port = 10_000 + Math.floor(Math.random() * 20_000);
  const chosen = await startSimulator({ port }).catch(() => null);
  return chosen === null ? startAtChosenPorts() : { chosen, port };
}

test("ports can be chosen: the control API first, the hosts after it", async () => {
  const { chosen, port } = await startAtChosenPorts();
  expect(chosen.controlUrl).toBe(`http://127.0.0.1:${port}`);
  expect(chosen.hosts.map(({ url }) => Number(new URL(url).port) - port)).toEqual(
    chosen.hosts.map((_host, index) => index + 1),
  );
  await chosen.close();
});
