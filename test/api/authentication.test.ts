import { createHash } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeApiKey } from "../../src/access/api-keys.ts";
import { localIssuerName } from "../../src/access/local-issuer.ts";
import { roles } from "../../src/access/permissions.ts";
import {
  type Answered,
  type ApiTenant,
  type ApiWorld,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

let api: ApiWorld;
let tenant: ApiTenant;
const venue = new ScriptedVenue();

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
  tenant = await api.createTenant();
});
afterAll(() => api.close());

async function me(token: string): Promise<Answered> {
  return api.as(token).get("/api/v1/me");
}

async function makeKey(scopes: readonly string[], more: object = {}) {
  const made = await tenant.owner.post("/api/v1/api-keys", { name: "test", scopes, ...more });
  return { id: String(made.json["id"]), key: String(made.json["key"]), made };
}

/** Answers about memberships are kept for a moment. */
async function until(check: () => Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 60; tries += 1) {
    if (await check()) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}

describe("who is not let in", () => {
  it("finds the reason in the log line of the request alone", async () => {
    const { mintToken } = api.issuer;
    const stranger = await mintToken({ tenantId: tenant.id, subject: "mallory", scopes: [], ttlSeconds: 60 });
    const reasons = {
      [stranger]: "membership: no active member of an active tenant",
      [`${stranger.slice(0, -8)}AAAAAAAA`]: "signature",
      "a.b.c": "malformed",
      [makeApiKey().key]: "api_key",
    };
    for (const [token, reason] of Object.entries(reasons)) {
      const before = api.log().length;
      const answered = await me(token);
      const lines = api.log().slice(before).trim().split("\n");
      expect(answered.status).toBe(401);
      expect(lines.map((line): unknown => JSON.parse(line))).toContainEqual(
        expect.objectContaining({ message: "request", status: 401, reason }),
      );
      expect(answered.text).not.toContain(reason);
      expect(lines.join()).not.toContain(token);
    }
    const before = api.log().length;
    await tenant.owner.get("/api/v1/me");
    expect(api.log().slice(before)).not.toContain("reason");
  });

  it("hears the same whatever was wrong", async () => {
    const suspended = await tenant.addMember("viewer");
    await tenant.owner.patch(`/api/v1/members/${suspended.memberId}`, { status: "suspended" });
    const { mintToken } = api.issuer;
    const stranger = await mintToken({ tenantId: tenant.id, subject: "nobody", scopes: [], ttlSeconds: 60 });
    const elsewhere = await mintToken({
      tenantId: "6b3c1f0e-5f43-4d9e-9b1a-0c2f7a6d8e11",
      subject: "alice",
      scopes: [],
      ttlSeconds: 60,
    });
    const revoked = await makeKey(["credentials:read"]);
    await tenant.owner.send("DELETE", `/api/v1/api-keys/${revoked.id}`);
    const tokens = [
      "",
      "x",
      "a.b.c",
      suspended.token,
      stranger,
      elsewhere,
      makeApiKey().key,
      revoked.key,
      `${tenant.owner.token}x`,
    ];
    const answers = await Promise.all(tokens.map(me));

    expect(answers.map(({ status }) => status)).toEqual(tokens.map(() => 401));
    expect(new Set(answers.map(({ text }) => text.replace(/urn:uuid:[0-9a-f-]+/, ""))).size).toBe(1);
    expect(new Set(answers.map(({ headers }) => headers["www-authenticate"]))).toEqual(new Set(["Bearer"]));
  });

  it.each(["Basic dXNlcjpwYXNz", "Bearer", "Bearer ", "bearer  token", "Token abc", "Bearer a b"])(
    "sends no bearer token: %s",
    async (authorization) => {
      expect((await api.as("").get("/api/v1/me", { headers: { authorization } })).status).toBe(401);
      expect(
        (await api.as("").get("/api/v1/me", { headers: { authorization: `bEaReR ${tenant.owner.token}` } }))
          .status,
      ).toBe(200);
    },
  );

  it("is nobody while the database cannot be asked: that is no refusal but a 503", async () => {
    const { ownerPool } = api.world.database;
    const member = await tenant.addMember("viewer");
    await ownerPool.query("revoke execute on function access.member, access.api_key from keyhold_app");
    const answers = [await me(member.token), await me(makeApiKey().key)];
    await ownerPool.query("grant execute on function access.member, access.api_key to keyhold_app");

    expect(answers.map(({ json }) => json["code"])).toEqual(["not_ready", "not_ready"]);
    expect((await me(member.token)).status).toBe(200);
  });

  it("is a member of a suspended tenant, until the tenant is resumed", async () => {
    const other = await api.createTenant();
    await api.operator.post(`/api/v1/tenants/${other.id}/suspend`);
    expect(await until(async () => (await me(other.owner.token)).status === 401)).toBe(true);

    await api.operator.post(`/api/v1/tenants/${other.id}/resume`);
    expect(await until(async () => (await me(other.owner.token)).status === 200)).toBe(true);
  });

  it("is a suspended member, at once in the process that suspended it and soon in every other", async () => {
    const member = await tenant.addMember("trader");
    const another = await api.another();
    expect((await another.as(member.token).get("/api/v1/me")).status).toBe(200);
    await tenant.owner.patch(`/api/v1/members/${member.memberId}`, { status: "suspended" });

    expect((await me(member.token)).status).toBe(401);
    expect(await until(async () => (await another.as(member.token).get("/api/v1/me")).status === 401)).toBe(
      true,
    );
    await another.close();
  });
});

describe("a member", () => {
  it("has no more scopes than its role, whatever its token says", async () => {
    const viewer = await tenant.addMember("viewer", { scopes: roles.owner.scopes });
    const { scopes } = (await viewer.get("/api/v1/me")).json;

    expect(new Set(Object.values(Object.assign({}, scopes)))).toEqual(new Set(roles.viewer.scopes));
  });

  it("that is an agent never reveals a secret nor widens its rights", async () => {
    const agent = await tenant.addMember("owner", { agent: true });
    const { scopes, agent: is } = (await agent.get("/api/v1/me")).json;
    const credential = await registerCredential(tenant.owner, { policy: { reveal: true } });
    const revealed = await agent.post(`/api/v1/credentials/${credential.id}/reveal`, { reason: "test" });

    expect(is).toBe(true);
    expect(scopes).not.toContain("credentials:reveal");
    expect(scopes).toContain("credentials:use");
    expect(revealed.status).toBe(403);
  });

  it("is found by issuer and subject together", async () => {
    const subject = `same-${tenant.id}`;
    await tenant.owner.post("/api/v1/members", {
      issuer: "https://login.example.com",
      subject,
      role: "viewer",
    });
    const token = await api.issuer.mintToken({ tenantId: tenant.id, subject, scopes: [], ttlSeconds: 60 });

    expect((await me(token)).status).toBe(401);
    await tenant.owner.post("/api/v1/members", { issuer: localIssuerName, subject, role: "viewer" });
    expect(await until(async () => (await me(token)).status === 200)).toBe(true);
  });
});

describe("an API key", () => {
  it("speaks for its maker with the scopes that it was given", async () => {
    const { key, id } = await makeKey(["credentials:read", "audit:read"], { agent: true });

    expect((await me(key)).json).toEqual({
      kind: "member",
      tenant_id: tenant.id,
      member_id: tenant.ownerId,
      role: "owner",
      scopes: ["credentials:read", "audit:read"],
      agent: true,
      api_key_id: id,
      narrowed_to: { credentials: null, accounts: null, networks: null },
    });
  });

  it("is nowhere in the database, and only its hash is", async () => {
    const { key } = await makeKey(["credentials:read"], { name: "canary" });
    const hash = createHash("sha256").update(key).digest("hex");
    const dump = await everyColumn();

    expect(dump).not.toContain(key.slice(12));
    expect(dump).toContain(hash);
    expect(dump).toContain(key.slice(0, 10));
  });

  it("is answered once: given again under the same Idempotency-Key, it is not shown", async () => {
    const body = { name: "once", scopes: ["credentials:read"] };
    const first = await tenant.owner.post("/api/v1/api-keys", body, { "idempotency-key": "make-one" });
    const again = await tenant.owner.post("/api/v1/api-keys", body, { "idempotency-key": "make-one" });

    expect(first.json["key"]).toMatch(/^kh_/);
    expect(again.json).toEqual({
      ...first.json,
      key: null,
      advice: expect.stringContaining("revoke this key"),
    });
    expect(await everyColumn()).not.toContain(String(first.json["key"]).slice(12));
  });

  it("cannot have scopes that its maker does not have", async () => {
    const trader = await tenant.addMember("trader");
    const refused = await trader.post("/api/v1/api-keys", { name: "x", scopes: ["audit:read"] });

    expect(refused).toMatchObject({ status: 403, json: { missing_scopes: ["audit:read"] } });
    expect((await trader.post("/api/v1/api-keys", { name: "x", scopes: ["accounts:read"] })).status).toBe(
      201,
    );
  });

  it("ends when it expires", async () => {
    const { key } = await makeKey(["credentials:read"], {
      expires_at: new Date(Date.now() + 1500).toISOString(),
    });

    expect((await me(key)).status).toBe(200);
    expect(await until(async () => (await me(key)).status === 401)).toBe(true);
  });

  it("that has expired already is not made", async () => {
    const { made } = await makeKey(["credentials:read"], { expires_at: "2020-01-01T00:00:00Z" });

    expect(made).toMatchObject({ status: 400, json: { code: "malformed" } });
  });

  it("opens no secret from the moment in which it is revoked, in every process", async () => {
    const credential = await registerCredential(tenant.owner, { policy: { reveal: true } });
    const { key, id } = await makeKey(["credentials:reveal"]);
    const another = await api.another();
    const reveal = () =>
      another.as(key).post(`/api/v1/credentials/${credential.id}/reveal`, { reason: "test" });
    expect((await reveal()).status).toBe(200);
    await tenant.owner.send("DELETE", `/api/v1/api-keys/${id}`);

    expect((await reveal()).status).toBe(401);
    await another.close();
  });

  it("of another member cannot be revoked, and of another tenant is not found", async () => {
    const { id } = await makeKey(["credentials:read"]);
    const trader = await tenant.addMember("trader");
    const other = await api.createTenant();

    expect((await trader.send("DELETE", `/api/v1/api-keys/${id}`)).status).toBe(403);
    expect((await other.owner.send("DELETE", `/api/v1/api-keys/${id}`)).status).toBe(404);
    expect((await tenant.owner.send("DELETE", `/api/v1/api-keys/${id}`)).status).toBe(204);
  });
});

/** Every value of every row of the database, as text; bytes in hexadecimal. */
async function everyColumn(): Promise<string> {
  const { owner } = api.world.database;
  const { rows: tables } = await sql<{ name: string }>`
    select format('%I.%I', table_schema, table_name) as name from information_schema.tables
    where table_schema in ('public', 'audit') and table_type = 'BASE TABLE'`.execute(owner);
  const texts = await Promise.all(
    tables.map(async ({ name }) => {
      const { rows } = await sql<{ text: string }>`select t::text as text from ${sql.raw(name)} t`.execute(
        owner,
      );
      return rows.map(({ text }) => text).join("\n");
    }),
  );
  return texts.join("\n");
}
