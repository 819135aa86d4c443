import { randomBytes } from "node:crypto";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { Strangers, unauthenticated } from "../../src/access/unauthenticated.ts";
import { type Api, type ApiTenant, type ApiWorld, createApiWorld } from "../../testkit/api.ts";

let api: ApiWorld;
let tenant: ApiTenant;
let others: Api[] = [];

beforeAll(async () => {
  api = await createApiWorld();
  tenant = await api.createTenant();
});
afterEach(async () => {
  await Promise.all(others.map((other) => other.close()));
  others = [];
});
afterAll(() => api.close());

async function another(options: Parameters<ApiWorld["another"]>[0]): Promise<Api> {
  const made = await api.another(options);
  others.push(made);
  return made;
}

const madeUp = (): string => `kh_${randomBytes(32).toString("base64url")}`;
const statuses = async (
  count: number,
  send: () => Promise<{ status: number }>,
): Promise<Record<string, number>> => {
  const answers = await Promise.all(Array.from({ length: count }, send));
  const counts: Record<string, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};

describe("made-up keys and tokens", () => {
  it.each([
    ["API keys", madeUp],
    ["keys of an operator", () => `kho_${randomBytes(32).toString("base64url")}`],
    ["tokens", () => `a.b.${randomBytes(40).toString("base64url")}`],
  ])(
    "%s of one address are looked up so many times a minute, and refused unseen after that",
    async (_, make) => {
      const { as, metrics } = await another({ failures: 20 });
      expect(await statuses(50, () => as(make()).get("/api/v1/me"))).toEqual({ 401: 20, 429: 30 });
      const refused = await as(make()).get("/api/v1/me");
      expect(refused).toMatchObject({
        status: 429,
        json: { code: "rate_limited", limit: "failures", quota: 20 },
      });
      const wait = Number(refused.headers["retry-after"]);
      expect(wait).toBeGreaterThan(0);
      expect(wait).toBeLessThanOrEqual(60);
      expect(await metrics.registry.metrics()).toContain('limit="failures"} 31');
    },
  );

  it("lock out no caller behind the same address whose token was right before", async () => {
    const { as } = await another({ failures: 20 });
    const caller = as(tenant.owner.token);
    expect((await caller.get("/api/v1/me")).status).toBe(200);
    await statuses(50, () => as(madeUp()).get("/api/v1/me"));
    expect(await statuses(30, () => caller.get("/api/v1/me"))).toEqual({ 200: 30 });
  });

  it("do not count what is right, however often it comes first", async () => {
    const { as } = await another({ failures: 3 });
    const made = await Promise.all(
      Array.from({ length: 12 }, () =>
        tenant.owner.post("/api/v1/api-keys", { name: "t", scopes: ["credentials:read"] }),
      ),
    );
    for (const { json } of made) expect((await as(String(json["key"])).get("/api/v1/me")).status).toBe(200);
  });
});

describe("addresses", () => {
  const fail = (strangers: Strangers, address: string): Promise<string> =>
    strangers
      .admit(`Bearer ${madeUp()}`, address, () => Promise.reject(unauthenticated("api_key")))
      .catch((error: { code: string }) => error.code);

  it("of one IPv6 network of 64 bits are one client, and another network is another", async () => {
    const strangers = new Strangers(2);
    const told = [];
    for (const host of [":1", ":2", ":ffff:3", "4:5:6:7"])
      told.push(await fail(strangers, `2001:db8:0:1:${host}`));
    expect(told).toEqual(["unauthenticated", "unauthenticated", "rate_limited", "rate_limited"]);
    expect(await fail(strangers, "2001:db8:0:2::1")).toBe("unauthenticated");
  });

  it("of IPv4 are the same client however they are written, and each is another", async () => {
    const strangers = new Strangers(1);
    expect(await fail(strangers, "203.0.113.7")).toBe("unauthenticated");
    expect(await fail(strangers, "::ffff:203.0.113.7")).toBe("rate_limited");
    expect(await fail(strangers, "203.0.113.8")).toBe("unauthenticated");
  });

  it("are not blamed for a database that is away", async () => {
    const strangers = new Strangers(1);
    const away = () => strangers.admit("Bearer x", "203.0.113.7", () => Promise.reject(new Error("away")));
    await expect(away()).rejects.toThrow("away");
    await expect(away()).rejects.toThrow("away");
  });
});

describe("open connections", () => {
  async function openFrom(port: number, address: string, count: number): Promise<number> {
    const sockets = Array.from({ length: count }, () =>
      connect({ port, host: "127.0.0.1", localAddress: address }),
    );
    const closed = sockets.map(
      (socket) => new Promise((resolve) => socket.on("error", resolve).on("close", resolve)),
    );
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => socket.on("connect", resolve).on("error", resolve))),
    );
    // What is refused is ended by the server; what is let in answers.
    const answers = sockets.map(
      (socket) =>
        new Promise<boolean>((resolve) => {
          socket
            .on("data", () => resolve(true))
            .on("close", () => resolve(false))
            .on("error", () => resolve(false));
          socket.write("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
        }),
    );
    const open = (await Promise.all(answers)).filter(Boolean).length;
    held.push(async () => {
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    });
    return open;
  }
  const held: (() => Promise<void>)[] = [];
  const letGo = async () => {
    for (const end of held.splice(0)) await end();
  };

  it("are bounded, and one address takes half of them at most", async () => {
    const { app } = await another({ connections: 20 });
    const { port } = new URL(await app.listen({ port: 0, host: "127.0.0.1" }));
    expect(await openFrom(Number(port), "127.0.0.1", 30)).toBe(10);
    expect(await openFrom(Number(port), "127.0.0.2", 8)).toBe(8);
    expect(await openFrom(Number(port), "127.0.0.3", 8)).toBe(2);
    await letGo();
    for (let tries = 0; tries < 100 && app.server.listening; tries += 1) {
      const open = await new Promise<number>((resolve) =>
        app.server.getConnections((_, count) => resolve(count)),
      );
      if (open === 0) break;
      await sleep(20);
    }
    expect(await openFrom(Number(port), "127.0.0.1", 10), "once they are closed").toBe(10);
    await letGo();
  });

  it("of a proxy that is trusted are bounded by the sum alone", async () => {
    const { app } = await another({ connections: 20, trustedProxies: ["127.0.0.0/8"] });
    const { port } = new URL(await app.listen({ port: 0, host: "127.0.0.1" }));
    expect(await openFrom(Number(port), "127.0.0.1", 30)).toBe(20);
    await letGo();
  });
});
