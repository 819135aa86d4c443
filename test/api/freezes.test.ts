import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type Answered,
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
let admin: Client;
let trader: Client;
let credential: string;
let account: string;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
});
afterAll(() => api.close());
beforeEach(async () => {
  tenant = await api.createTenant();
  admin = await tenant.addMember("admin");
  trader = await tenant.addMember("trader");
  const registered = await registerCredential(trader, { policy: { allow: ["read"], reveal: true } });
  credential = registered.id;
  account = registered.account_id;
});

const reveal = (client: Client): Promise<Answered> =>
  client.post(`/api/v1/credentials/${credential}/reveal`, { reason: "to look" });
const ranksOf = ({ json }: Answered): unknown =>
  Object.assign({ freezes: [] as { rank: string }[] }, json).freezes.map(({ rank }) => rank);

describe.each([
  ["credential", () => `/api/v1/credentials/${credential}`],
  ["account", () => `/api/v1/accounts/${account}`],
])("a freeze of a trader's %s", (_, path) => {
  const freeze = (client: Client, reason = "to look into it"): Promise<Answered> =>
    client.post(`${path()}/freeze`, { reason });
  const unfreeze = (client: Client): Promise<Answered> => client.post(`${path()}/unfreeze`);

  it("by the owner is not lifted by the trader nor by an administrator, and is by the owner", async () => {
    expect((await reveal(trader)).status).toBe(200);
    await freeze(tenant.owner);

    for (const client of [trader, admin]) {
      expect(await unfreeze(client)).toMatchObject({
        status: 403,
        json: { code: "forbidden", reason: "rank", required_rank: "owner" },
      });
      expect((await reveal(trader)).json).toMatchObject({ reason: "frozen" });
    }
    expect(await unfreeze(tenant.owner)).toMatchObject({ status: 200, json: { frozen: false, freezes: [] } });
    expect((await reveal(trader)).status).toBe(200);
  });

  it("by the trader is lifted by every rank", async () => {
    for (const client of [trader, admin, tenant.owner]) {
      expect((await freeze(trader)).json).toMatchObject({ frozen: true });
      expect(await unfreeze(client)).toMatchObject({ status: 200, json: { frozen: false } });
    }
  });

  it("is one of several, and each is lifted by its rank", async () => {
    await freeze(trader, "first");
    await freeze(tenant.owner, "second");
    await freeze(admin, "third");
    const shown = await trader.get(path());
    expect(ranksOf(shown)).toEqual(["trader", "owner", "admin"]);
    expect(shown.json["freezes"]).toMatchObject([
      { reason: "first", by: { kind: "member" } },
      { reason: "second", by: { member_id: tenant.ownerId } },
      { reason: "third" },
    ]);

    const first = await unfreeze(trader);
    expect(first).toMatchObject({ status: 200, json: { frozen: true } });
    expect(ranksOf(first)).toEqual(["owner", "admin"]);
    expect(ranksOf(await unfreeze(admin))).toEqual(["owner"]);
    expect((await reveal(trader)).json).toMatchObject({ reason: "frozen" });
    expect((await unfreeze(tenant.owner)).json).toMatchObject({ frozen: false, freezes: [] });
    expect((await reveal(trader)).status).toBe(200);
  });

  it("by the same caller stands once, however often it is repeated", async () => {
    for (const reason of ["a", "b", "c"]) await freeze(admin, reason);

    expect(ranksOf(await admin.get(path()))).toEqual(["admin"]);
  });
});

describe("a freeze of the tenant", () => {
  it("by the operator is lifted by no member", async () => {
    const { status } = await api.operator.post(`/api/v1/tenants/${tenant.id}/freeze`, {
      reason: "an incident",
    });
    expect(status).toBe(200);
    await tenant.owner.post("/api/v1/tenant/freeze");

    expect((await tenant.owner.post("/api/v1/tenant/unfreeze")).json).toMatchObject({
      frozen: true,
      freezes: [{ rank: "operator", by: { kind: "operator" }, reason: "an incident" }],
    });
    expect(await tenant.owner.post("/api/v1/tenant/unfreeze")).toMatchObject({
      status: 403,
      json: { required_rank: "operator" },
    });
    expect((await reveal(trader)).json).toMatchObject({ reason: "frozen" });
    const lifted = await api.operator.post(`/api/v1/tenants/${tenant.id}/unfreeze`);
    expect(lifted.json).toMatchObject({ frozen: false });
    expect((await reveal(trader)).status).toBe(200);
  });

  it("by an owner is not lifted by an administrator", async () => {
    await tenant.owner.post("/api/v1/tenant/freeze");

    expect((await admin.post("/api/v1/tenant/unfreeze")).status).toBe(403);
    expect((await tenant.owner.post("/api/v1/tenant/unfreeze")).json).toMatchObject({ frozen: false });
  });
});

describe("what the owner has switched off", () => {
  it("an account, stays off until the owner switches it on", async () => {
    const path = `/api/v1/accounts/${account}`;
    const patch = (client: Client, active: boolean) => client.patch(path, { active });
    await patch(trader, false);
    expect((await patch(tenant.owner, false)).json).toMatchObject({ switched_off_rank: "owner" });
    await patch(trader, false);

    for (const client of [trader, admin]) expect((await patch(client, true)).status).toBe(403);
    expect((await reveal(trader)).json).toMatchObject({ code: "credential_inactive" });
    expect((await patch(tenant.owner, true)).json).toMatchObject({ active: true, switched_off_rank: null });
    expect((await reveal(trader)).status).toBe(200);
  });

  it("a credential, stays off until the owner switches it on", async () => {
    const path = `/api/v1/credentials/${credential}`;
    const patch = async (client: Client, active: boolean) => {
      const { headers } = await client.get(path);
      return client.send("PATCH", path, {
        body: { active },
        headers: { "if-match": String(headers["etag"]) },
      });
    };
    await patch(tenant.owner, false);

    for (const client of [trader, admin]) {
      expect(await patch(client, true)).toMatchObject({ status: 403, json: { required_rank: "owner" } });
    }
    expect((await patch(tenant.owner, true)).json).toMatchObject({
      status: "active",
      switched_off_rank: null,
    });
    await patch(trader, false);
    expect((await patch(trader, true)).json, "what the trader has switched off").toMatchObject({
      status: "active",
    });
  });

  it("a member, stays out until the owner lets it in", async () => {
    const member = await tenant.addMember("viewer");
    const patch = (client: Client, status: string) =>
      client.patch(`/api/v1/members/${member.memberId}`, { status });
    expect((await patch(tenant.owner, "suspended")).json).toMatchObject({ suspended_rank: "owner" });

    expect((await patch(admin, "active")).status).toBe(403);
    expect((await patch(tenant.owner, "active")).json).toMatchObject({
      status: "active",
      suspended_rank: null,
    });
    await patch(admin, "suspended");
    expect((await patch(admin, "active")).json).toMatchObject({ status: "active" });
  });
});

describe("deleting an account", () => {
  it("needs the scope that revokes", async () => {
    const member = await tenant.addMember("owner", { scopes: ["accounts:write", "accounts:read"] });

    expect(await member.send("DELETE", `/api/v1/accounts/${account}`)).toMatchObject({
      status: 403,
      json: { required_scope: "credentials:write" },
    });
    expect((await tenant.owner.send("DELETE", `/api/v1/accounts/${account}`)).status).toBe(204);
  });
});
