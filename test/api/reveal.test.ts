import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Route } from "../../src/http/route.ts";
import { type ApiTenant, type ApiWorld, createApiWorld, registerCredential } from "../../testkit/api.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

const canary = 'canary-"quoted"\\-7d20';
const venue = new ScriptedVenue();
const given: Uint8Array[] = [];
let beforeSending = (): Promise<void> => Promise.resolve();
let api: ApiWorld;
let tenant: ApiTenant;
let url: string;
let path: string;

/** Looks at the bytes on their way out, without copying them. */
function watch(route: Route): Route {
  return {
    ...route,
    prepare(raw, caller, key) {
      const run = route.prepare(raw, caller, key);
      return async () => {
        const reply = await run();
        if (reply.payload instanceof Uint8Array) given.push(reply.payload);
        await beforeSending();
        return reply;
      };
    },
  };
}

beforeAll(async () => {
  api = await createApiWorld({
    custody: (custody) => venue.in(custody),
    routes: (routes) => routes.map((route) => (route.operationId === "revealSecret" ? watch(route) : route)),
  });
  tenant = await api.createTenant();
  const secret = { api_key: "a key", api_secret: canary };
  const { id } = await registerCredential(tenant.owner, { secret, policy: { reveal: true } });
  path = `/api/v1/credentials/${id}/reveal`;
  url = await api.app.listen({ host: "127.0.0.1", port: 0 });
});
beforeEach(() => {
  given.length = 0;
  beforeSending = () => Promise.resolve();
});
afterAll(() => api.close());

const reason = { reason: "moving house" };

function isZero(bytes: Uint8Array | undefined): boolean {
  return bytes !== undefined && bytes.byteLength > 0 && bytes.every((byte) => byte === 0);
}

async function reveal(): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${tenant.owner.token}`, "content-type": "application/json" },
    body: JSON.stringify(reason),
  });
}

describe("a revealed secret", () => {
  it("comes whole, as JSON, and is not to be kept by anything on the way", async () => {
    const response = await reveal();

    expect(await response.json()).toMatchObject({
      venue: "scripted",
      version: 1,
      secret: { api_key: "a key", api_secret: canary },
    });
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("content-type")).toBe("application/json; charset=utf-8");
  });

  it("is zeroed in this process once it is sent", async () => {
    beforeSending = () => {
      // The control: on their way out the bytes hold it.
      expect(Buffer.from(given[0] ?? []).toString()).toContain("canary-");
      return Promise.resolve();
    };
    await (await reveal()).arrayBuffer();

    await expect.poll(() => isZero(given[0])).toBe(true);
  });

  it("is zeroed when nobody is there any more to take it", async () => {
    const gone = Promise.withResolvers<void>();
    const reached = Promise.withResolvers<void>();
    beforeSending = () => {
      reached.resolve();
      return gone.promise;
    };
    const call = request(url + path, {
      method: "POST",
      headers: { authorization: `Bearer ${tenant.owner.token}`, "content-type": "application/json" },
    });
    call.on("error", () => undefined);
    call.end(JSON.stringify(reason));
    await reached.promise;
    const open = await connections();
    const closed = new Promise<void>((resolve) => call.once("close", () => resolve()));
    call.destroy();
    await closed;
    await expect.poll(() => connections()).toBeLessThan(open);
    gone.resolve();

    await expect.poll(() => isZero(given[0])).toBe(true);
  });

  it("needs a reason, which stands in the record", async () => {
    const without = await tenant.owner.post(path, {});
    await tenant.owner.post(path, { reason: "ticket 4711" });
    const events = await tenant.owner.get("/api/v1/audit/events?event=credential.revealed&limit=1");

    expect(without.status).toBe(400);
    expect(events.text).toContain('"reason":"ticket 4711"');
  });

  it("is never kept under an Idempotency-Key: each reveal is a reveal", async () => {
    const key = { "idempotency-key": "reveal-once" };
    const count = async (): Promise<unknown> =>
      (await tenant.owner.get("/api/v1/audit/events?event=credential.revealed&limit=200")).json["count"];
    const before = Number(await count());
    await tenant.owner.post(path, reason, key);
    await tenant.owner.post(path, reason, key);
    const { rows } = await api.world.database.ownerPool.query(
      "select from idempotency_keys where key = 'reveal-once'",
    );

    expect(await count()).toBe(before + 2);
    expect(rows).toHaveLength(0);
  });

  it("is not handed out where the policy does not allow it, nor to whom the scope was not given", async () => {
    const { id } = await registerCredential(tenant.owner);
    const admin = await tenant.addMember("admin");

    expect((await tenant.owner.post(`/api/v1/credentials/${id}/reveal`, reason)).json["code"]).toBe(
      "policy_forbids",
    );
    expect((await admin.post(path, reason)).status).toBe(403);
  });

  it("is in no line of the log", () => {
    expect(api.log()).not.toContain("canary-");
    expect(api.log()).toContain("/reveal");
  });
});

function connections(): Promise<number> {
  return new Promise((resolve, reject) => {
    api.app.server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)));
  });
}
