import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { localIssuerName } from "../../src/access/local-issuer.ts";
import { verifyChain } from "../../src/audit/chain.ts";
import {
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

const venue = new ScriptedVenue();
let api: ApiWorld;
let tenant: ApiTenant;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
  tenant = await api.createTenant();
});
afterAll(() => api.close());

describe("the operator", () => {
  it("opens, names, limits, lists, suspends, resumes and ends tenants", async () => {
    const owner = { issuer: localIssuerName, subject: "someone" };
    const created = await api.operator.post("/api/v1/tenants", { name: "Northwind", owner });
    const { id } = Object.assign({ id: "" }, created.json["tenant"]);
    const path = `/api/v1/tenants/${id}`;
    const updated = await api.operator.patch(path, { name: "Southwind", limits: { requests_per_minute: 7 } });
    const listed = await api.operator.get("/api/v1/tenants?limit=1");

    expect(created).toMatchObject({ status: 201, headers: { location: path } });
    expect(updated.json).toMatchObject({
      name: "Southwind",
      limits: { requests_per_minute: 7 },
      revision: 2,
    });
    expect(listed.json).toMatchObject({ count: 1, items: [{ id }] });
    expect((await api.operator.post(`${path}/suspend`)).json["status"]).toBe("suspended");
    expect((await api.operator.post(`${path}/resume`)).json["status"]).toBe("active");
    expect(await api.operator.send("DELETE", path)).toMatchObject({
      status: 202,
      json: { status: "deleted" },
    });
    expect((await api.operator.post(`${path}/resume`)).json["code"]).toBe("illegal_state");
  });

  it("knows itself", async () => {
    expect((await api.operator.get("/api/v1/me")).json).toMatchObject({
      kind: "operator",
      tenant_id: null,
      scopes: ["platform:tenants"],
    });
  });
});

describe("a change of what somebody else has changed meanwhile", () => {
  const missed: Readonly<Record<string, () => Promise<readonly [Client, string, object]>>> = {
    "a member": async () => {
      const member = await tenant.addMember("viewer");
      return [tenant.owner, `/api/v1/members/${member.memberId}`, { role: "auditor" }];
    },
    "an account": async () => {
      const { json } = await tenant.owner.post("/api/v1/accounts", { name: "Desk" });
      return [tenant.owner, `/api/v1/accounts/${String(json["id"])}`, { name: "Other desk" }];
    },
    "the tenant's policy": async () => [
      (await api.createTenant()).owner,
      "/api/v1/tenant",
      { policy: { check_minutes: 90 } },
    ],
    "a tenant": async () => [
      api.operator,
      `/api/v1/tenants/${(await api.createTenant()).id}`,
      { limits: { reveals_per_minute: 9 } },
    ],
  };

  it.each(Object.entries(missed))("is refused, and changes nothing: %s", async (_, prepare) => {
    const [client, path, body] = await prepare();
    const seen = await client.get(path);
    const headers = { "if-match": String(seen.headers["etag"]) };
    const without = await client.send("PATCH", path, { body });
    const wild = await client.send("PATCH", path, { body, headers: { "if-match": "*" } });
    const first = await client.send("PATCH", path, { body, headers });
    const late = await client.send("PATCH", path, { body, headers });

    expect([without.status, wild.status, first.status, late.status]).toEqual([428, 428, 200, 412]);
    expect(late.json).toMatchObject({ code: "stale", revision: first.json["revision"] });
    expect((await client.get(path)).headers["etag"]).toBe(first.headers["etag"]);
  });
});

describe("a tenant", () => {
  it("decides its policy and no other field of itself", async () => {
    const changed = await tenant.owner.patch("/api/v1/tenant", { policy: { allow_deferred: true } });
    const refused = await tenant.owner.patch("/api/v1/tenant", { limits: { requests_per_minute: 1e6 } });

    expect(changed.json["policy"]).toEqual({
      allow_withdraw: false,
      check_minutes: 360,
      allow_unknown_permissions: true,
      allow_deferred: true,
      allow_unproven: false,
    });
    expect(refused.status).toBe(400);
    expect((await tenant.owner.get("/api/v1/tenant")).json["policy"]).toEqual(changed.json["policy"]);
  });

  it("freezes everything at once, and unfreezes it", async () => {
    const frozen = await api.createTenant();
    const { id } = await registerCredential(frozen.owner);
    await frozen.owner.post("/api/v1/tenant/freeze", { reason: "break-in" });
    const used = await frozen.owner.post(`/api/v1/credentials/${id}/invoke`, { operation: "fetchBalance" });
    await frozen.owner.post("/api/v1/tenant/unfreeze");

    expect(used.json["code"]).toBe("frozen");
    expect(
      (await frozen.owner.post(`/api/v1/credentials/${id}/invoke`, { operation: "fetchBalance" })).status,
    ).toBe(200);
  });
});

describe("members", () => {
  it("are added, shown, listed and changed; nobody gives a role above his own", async () => {
    const admin = await tenant.addMember("admin");
    const someone = { issuer: localIssuerName, subject: "new" };
    const added = await admin.post("/api/v1/members", { ...someone, role: "viewer" });
    const path = String(added.headers["location"]);
    const changed = await tenant.owner.patch(path, { role: "trader" });

    expect(added.status).toBe(201);
    expect(changed.json).toMatchObject({ role: "trader", revision: 2 });
    expect((await admin.get(path)).json).toMatchObject({ subject: "new", role: "trader" });
    expect((await admin.post("/api/v1/members", { ...someone, subject: "boss", role: "owner" })).status).toBe(
      403,
    );
    expect((await admin.post("/api/v1/members", { ...someone, role: "viewer" })).status).toBe(409);
  });

  it("see themselves, and administrators see all", async () => {
    const viewer = await tenant.addMember("viewer");
    const own = await viewer.get("/api/v1/members");

    expect(own.json).toMatchObject({ count: 1, items: [{ id: viewer.memberId }] });
    expect(Number((await tenant.owner.get("/api/v1/members")).json["count"])).toBeGreaterThan(1);
    expect((await viewer.get(`/api/v1/members/${tenant.ownerId}`)).status).toBe(403);
  });
});

describe("accounts", () => {
  it("are opened for oneself, renamed, switched off, frozen and removed", async () => {
    const trader = await tenant.addMember("trader");
    const { id } = await registerCredential(trader);
    const { account_id } = (await trader.get(`/api/v1/credentials/${id}`)).json;
    const path = `/api/v1/accounts/${String(account_id)}`;

    expect((await trader.get(path)).json).toMatchObject({ owner_id: trader.memberId, active: true });
    expect((await trader.patch(path, { name: "Second", active: false })).json).toMatchObject({
      name: "Second",
      active: false,
    });
    expect((await trader.post(`/api/v1/credentials/${id}/validate`)).json["code"]).toBe(
      "credential_inactive",
    );
    expect((await trader.post(`${path}/freeze`, { reason: "x" })).json["frozen"]).toBe(true);
    expect((await trader.post(`${path}/unfreeze`)).json["frozen"]).toBe(false);
    expect((await trader.send("DELETE", path)).status).toBe(204);
    expect((await trader.get(`/api/v1/credentials/${id}`)).status).toBe(404);
  });

  it("are opened for another member by an administrator only", async () => {
    const trader = await tenant.addMember("trader");
    const admin = await tenant.addMember("admin");

    expect(
      (await admin.post("/api/v1/accounts", { name: "Theirs", owner_id: trader.memberId })).json["owner_id"],
    ).toBe(trader.memberId);
    expect((await trader.post("/api/v1/accounts", { name: "Theirs", owner_id: admin.memberId })).status).toBe(
      403,
    );
  });
});

describe("the record", () => {
  it("tells what happened, page by page and filtered", async () => {
    const recorded = await api.createTenant();
    const { id } = await registerCredential(recorded.owner);
    await recorded.owner.post(`/api/v1/credentials/${id}/freeze`, { reason: "test" });
    const first = await recorded.owner.get("/api/v1/audit/events?limit=2");
    const next = await recorded.owner.get(
      `/api/v1/audit/events?limit=2&cursor=${String(first.json["next_cursor"])}`,
    );
    const frozen = await recorded.owner.get(
      `/api/v1/audit/events?event=credential.frozen&credential_id=${id}`,
    );
    const none = await recorded.owner.get("/api/v1/audit/events?until=2020-01-01T00:00:00Z");

    expect(first.json).toMatchObject({
      count: 2,
      items: [{ event: "credential.frozen" }, { event: "credential.registered" }],
    });
    expect(next.json).toMatchObject({ items: [{ event: "account.created" }, {}] });
    expect(frozen.json).toMatchObject({
      count: 1,
      items: [{ detail: { credential_id: id, reason: "test" } }],
    });
    expect(none.json["count"]).toBe(0);
  });

  it("tells who asked and from where", async () => {
    await tenant.owner.post("/api/v1/accounts", { name: "Seen" });
    const { text } = await tenant.owner.get("/api/v1/audit/events?event=account.created&limit=1");

    expect(text).toContain(`"member_id":"${tenant.ownerId}"`);
    expect(text).toContain('"address":"127.0.0.1"');
    expect(text).toMatch(/"request_id":"[0-9a-f-]{36}"/);
  });

  it("believes who asked from where only of a proxy that is trusted", async () => {
    const trusting = await api.another({
      trustedProxies: ["127.0.0.0/8"],
      custody: (custody) => venue.in(custody),
    });
    const headers = { "x-forwarded-for": "203.0.113.9" };
    const newest = async (): Promise<string> =>
      (await tenant.owner.get("/api/v1/audit/events?event=account.created&limit=1")).text;
    await tenant.owner.post("/api/v1/accounts", { name: "Claimed" }, headers);
    const claimed = await newest();
    await trusting.as(tenant.owner.token).post("/api/v1/accounts", { name: "Trusted" }, headers);
    const trusted = await newest();
    await trusting.close();

    expect(claimed).toContain('"address":"127.0.0.1"');
    expect(trusted).toContain('"address":"203.0.113.9"');
  });

  it("is exported as it was hashed, and its chain holds", async () => {
    const exported = await tenant.owner.get("/api/v1/audit/export");
    const verified = await verifyChain(exported.text.trimEnd().split("\n"));

    expect(exported.headers["content-type"]).toBe("application/x-ndjson");
    expect(verified).toMatchObject({ intact: true, tenant: tenant.id });
  });

  it("is not for everybody", async () => {
    const trader = await tenant.addMember("trader");
    const auditor = await tenant.addMember("auditor");

    expect((await trader.get("/api/v1/audit/export")).status).toBe(403);
    expect((await auditor.get("/api/v1/audit/export")).status).toBe(200);
  });
});

describe("the service", () => {
  it("tells whether it lives and is ready, and the venues it knows", async () => {
    expect((await api.as("").get("/health/live")).json).toEqual({ status: "ok" });
    expect((await api.as("").get("/health/ready")).json).toEqual({ status: "ok" });
    expect((await tenant.owner.get("/api/v1/venues")).json).toMatchObject({
      count: 1,
      items: [{ id: "scripted", fields: ["api_key", "api_secret"], egress_addresses: [] }],
    });
  });

  it("counts requests by route as declared, and holds no id in a metric", async () => {
    const { id } = await registerCredential(tenant.owner);
    await tenant.owner.get(`/api/v1/credentials/${id}`);
    const text = await api.metrics.registry.metrics();

    expect(text).toContain(
      'keyhold_http_requests_total{method="GET",route="/api/v1/credentials/:id",status="200"}',
    );
    expect(text).not.toContain(id);
  });
});
