import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scopes } from "../../src/access/permissions.ts";
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
let trader: Client & { subject: string };
/** Two credentials of one trader, each in an account of its own. */
let inside: { id: string; account_id: string };
let outside: { id: string; account_id: string };

type Narrowing = Readonly<{
  credentials?: readonly string[];
  accounts?: readonly string[];
  networks?: readonly string[];
}>;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody), trustedProxies: ["127.0.0.1"] });
  tenant = await api.createTenant();
  trader = await tenant.addMember("trader");
  const policy = { allow: ["read", "trade"], reveal: true };
  inside = await registerCredential(trader, { policy });
  outside = await registerCredential(trader, { policy });
});
afterAll(() => api.close());

async function keyOf(maker: Client, narrowing: Narrowing): Promise<Client> {
  const held = (await maker.get("/api/v1/me")).json["scopes"];
  const made = await maker.post("/api/v1/api-keys", { name: "narrow", scopes: held, ...narrowing });
  if (made.status !== 201) throw new Error(made.text);
  return api.as(String(made.json["key"]));
}

async function tokenOf(_: Client, narrowing: Narrowing): Promise<Client> {
  const claims = { tenantId: tenant.id, subject: trader.subject, scopes, ttlSeconds: 600, ...narrowing };
  return api.as(await api.issuer.mintToken(claims));
}

const idsOf = ({ json }: Answered): unknown[] =>
  Object.assign({ items: [] as { id: string }[] }, json).items.map(({ id }) => id);
const reveal = (client: Client, id: string) =>
  client.post(`/api/v1/credentials/${id}/reveal`, { reason: "to look" });

describe.each([
  ["API key", keyOf],
  ["token", tokenOf],
] as const)("an %s that is narrowed", (_, narrow) => {
  it.each([
    ["credentials", () => ({ credentials: [inside.id] })],
    ["accounts", () => ({ accounts: [inside.account_id] })],
  ])("to %s reaches what is named as before", async (_kind, narrowing) => {
    const client = await narrow(trader, narrowing());

    expect((await client.get(`/api/v1/credentials/${inside.id}`)).status).toBe(200);
    expect((await reveal(client, inside.id)).status).toBe(200);
    expect(idsOf(await client.get("/api/v1/credentials?environment=live"))).toEqual([inside.id]);
  });

  it.each([
    ["credentials", () => ({ credentials: [inside.id] })],
    ["accounts", () => ({ accounts: [inside.account_id] })],
    ["one of both", () => ({ accounts: [inside.account_id], credentials: [inside.id] })],
  ])("to %s is answered for everything else like for another member's", async (_kind, narrowing) => {
    const client = await narrow(trader, narrowing());
    const path = `/api/v1/credentials/${outside.id}`;
    const order = { operation: "fetchBalance", params: {} };
    const answers = [
      await client.get(path),
      await client.send("PATCH", path, { body: { label: "x" }, headers: { "if-match": '"1"' } }),
      await client.post(`${path}/invoke`, order),
      await client.post(`${path}/validate`),
      await client.post(`${path}/freeze`),
      await client.get(`${path}/versions`),
      await client.get(`${path}/health`),
      await client.send("DELETE", path),
      await reveal(client, outside.id),
      await client.get(`/api/v1/accounts/${outside.account_id}`),
      await client.post(`/api/v1/accounts/${outside.account_id}/freeze`),
      await client.get(`/api/v1/credentials?account_id=${outside.account_id}`),
    ];

    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 403));
    expect((await trader.get(path)).json, "the control").toMatchObject({ frozen: false });
    expect((await reveal(trader, outside.id)).status, "the control").toBe(200);
  });

  it("holds nothing that concerns the whole tenant, and opens no account", async () => {
    const client = await narrow(trader, { accounts: [inside.account_id] });
    const me = await client.get("/api/v1/me");

    expect(me.json).toMatchObject({ narrowed_to: { accounts: [inside.account_id], credentials: null } });
    expect(me.json["scopes"]).not.toContain("tenant:write");
    expect((await client.post("/api/v1/accounts", { name: "Other" })).json).toMatchObject({
      reason: "narrowed",
    });
  });

  it("registers in the account that is named, and in no other", async () => {
    const client = await narrow(trader, { accounts: [inside.account_id] });
    const input = (account_id: string) => ({
      account_id,
      venue: "scripted",
      environment: "paper",
      label: randomUUID(),
      secret: { api_key: "a key", api_secret: "a secret" },
    });

    expect((await client.post("/api/v1/credentials", input(inside.account_id))).status).toBe(201);
    expect((await client.post("/api/v1/credentials", input(outside.account_id))).status).toBe(403);
  });

  it("makes keys that reach no more than itself", async () => {
    const client = await narrow(trader, { accounts: [inside.account_id], networks: ["10.20.0.0/16"] });
    const from = { "x-forwarded-for": "10.20.7.7" };
    const make = (narrowing: Narrowing) =>
      client.post("/api/v1/api-keys", { name: "child", scopes: ["credentials:read"], ...narrowing }, from);
    const child = await make({});

    expect(child.json).toMatchObject({ accounts: [inside.account_id], networks: ["10.20.0.0/16"] });
    expect((await make({ credentials: [inside.id] })).status).toBe(201);
    expect((await make({ networks: ["10.20.30.0/24"] })).status).toBe(201);
    expect((await make({ credentials: [outside.id] })).status).toBe(403);
    expect((await make({ accounts: [outside.account_id] })).status).toBe(403);
    expect((await make({ networks: ["10.0.0.0/8"] })).status).toBe(403);
    expect((await make({ networks: ["::/0"] })).status).toBe(403);
    expect((await make({ credentials: [randomUUID()] })).status).toBe(404);
  });

  it.each([
    ["10.20.0.0/16", "10.20.255.1", "10.21.0.1"],
    ["192.0.2.7", "192.0.2.7", "192.0.2.8"],
    ["192.0.2.0/24", "::ffff:192.0.2.9", "::ffff:192.0.3.9"],
    ["2001:db8:7::/48", "2001:db8:7:1::2", "2001:db8:8::2"],
  ])("to the network %s is used from %s and not from %s", async (network, within, beyond) => {
    const client = await narrow(trader, { networks: [network, "203.0.113.0/24"] });
    const from = (address: string) =>
      client.get(`/api/v1/credentials/${inside.id}`, { headers: { "x-forwarded-for": address } });

    expect((await from(within)).status).toBe(200);
    expect((await from("203.0.113.9")).status).toBe(200);
    expect(await from(beyond)).toMatchObject({ status: 403, json: { reason: "narrowed" } });
    expect((await from("unknown")).status).toBe(403);
  });
});

describe("a token that names nothing", () => {
  it("reaches nothing with an empty list, and is used from nowhere", async () => {
    const empty = await tokenOf(trader, { credentials: [], accounts: [] });

    expect(idsOf(await empty.get("/api/v1/credentials"))).toEqual([]);
    expect((await reveal(empty, inside.id)).status).toBe(403);
    expect((await (await tokenOf(trader, { networks: [] })).get("/api/v1/me")).status).toBe(403);
  });
});

describe("an operator's token", () => {
  it("may be narrowed to networks, and not to credentials", async () => {
    const request = { subject: "operator", scopes: ["platform:tenants"], ttlSeconds: 600 };
    const bound = api.as(await api.issuer.mintToken({ ...request, networks: ["10.0.0.0/8"] }));
    const odd = api.as(await api.issuer.mintToken({ ...request, credentials: [randomUUID()] }));
    const headers = { "x-forwarded-for": "10.1.1.1" };

    expect((await bound.get("/api/v1/tenants", { headers })).status).toBe(200);
    expect((await bound.get("/api/v1/tenants")).status).toBe(403);
    expect((await odd.get("/api/v1/tenants")).status).toBe(401);
  });
});

describe("an Idempotency-Key", () => {
  it("gives a narrowed token nothing that a wider one of the same member was answered", async () => {
    const path = `/api/v1/credentials/${outside.id}/freeze`;
    const key = { "idempotency-key": randomUUID() };
    expect((await trader.post(path, {}, key)).status).toBe(200);

    expect((await (await tokenOf(trader, { credentials: [inside.id] })).post(path, {}, key)).status).toBe(
      403,
    );
    expect((await trader.post(path, {}, key)).headers["idempotency-replayed"]).toBe("true");
    await trader.post(`/api/v1/credentials/${outside.id}/unfreeze`);
  });
});
