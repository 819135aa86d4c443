import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { z } from "zod";
import {
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { forge } from "../../testkit/rights.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

const venue = new ScriptedVenue();
const dayMs = 86_400_000;
let api: ApiWorld;
let tenant: ApiTenant;
let credential: string;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
});
afterAll(() => api.close());
beforeEach(async () => {
  tenant = await api.createTenant();
  credential = (await registerCredential(tenant.owner, { policy: { reveal: true } })).id;
});

type Made = Client & Readonly<{ id: string; json: Readonly<Record<string, unknown>> }>;

const scopes = ["api-keys:read", "api-keys:write", "credentials:read", "credentials:reveal"];

const post = (maker: Client, changes: object = {}) =>
  maker.post("/api/v1/api-keys", { name: "key", scopes, ...changes });

async function make(maker: Client, changes: object = {}): Promise<Made> {
  const { status, json, text } = await post(maker, changes);
  if (status !== 201) throw new Error(text);
  return { ...api.as(String(json["key"])), id: String(json["id"]), json };
}

async function statusOf(key: Client): Promise<number> {
  return (await key.post(`/api/v1/credentials/${credential}/reveal`, { reason: "to look" })).status;
}

const daysFromNow = (days: number) => new Date(Date.now() + days * dayMs).toISOString();
const daysOf = ({ json }: Made) => (Date.parse(String(json["expires_at"])) - Date.now()) / dayMs;

describe("a key that a key has made", () => {
  it("ends with its maker, at any depth, at once", async () => {
    const keys = [await make(tenant.owner)];
    for (let depth = 0; depth < 4; depth += 1) keys.push(await make(keys.at(-1) ?? tenant.owner));
    const sibling = await make(tenant.owner);
    expect(await Promise.all(keys.map(statusOf))).toEqual([200, 200, 200, 200, 200]);
    const [, second] = keys;
    await tenant.owner.send("DELETE", `/api/v1/api-keys/${second?.id}`);

    expect(await Promise.all(keys.map(statusOf))).toEqual([200, 401, 401, 401, 401]);
    expect(await statusOf(sibling)).toBe(200);
    for (const key of keys.slice(2)) expect((await post(key)).status, "makes no key any more").toBe(401);
  });

  it("ends with the expiry of its maker", async () => {
    const parent = await make(tenant.owner);
    const child = await make(parent);
    expect(await statusOf(child)).toBe(200);
    await forge(
      api.world,
      { kind: "api_keys", tenantId: tenant.id, id: parent.id },
      sql`update api_keys set expires_at = clock_timestamp() where id = ${parent.id}`,
    );

    expect(await statusOf(child)).toBe(401);
  });

  it("ends no later than its maker, and is shown with it", async () => {
    const parent = await make(tenant.owner, { expires_at: daysFromNow(3) });
    const child = await make(parent);

    expect(child.json).toMatchObject({ made_by: parent.id, expires_at: parent.json["expires_at"] });
    expect((await post(parent, { expires_at: daysFromNow(4) })).status).toBe(400);
    expect(parent.json).toMatchObject({ made_by: null });
  });
});

describe("a key", () => {
  it("lives 90 days unless something else is asked for, and 366 at most", async () => {
    expect(daysOf(await make(tenant.owner))).toBeCloseTo(90, 1);
    expect(daysOf(await make(tenant.owner, { expires_at: null }))).toBeCloseTo(90, 1);
    expect(daysOf(await make(tenant.owner, { expires_at: daysFromNow(366) }))).toBeCloseTo(366, 1);
    expect((await post(tenant.owner, { expires_at: daysFromNow(366.1) })).status).toBe(400);
    expect((await post(tenant.owner, { expires_at: daysFromNow(-1) })).status).toBe(400);
  });

  it("is one of fifty that a member has at most, however they are made", async () => {
    const parent = await make(tenant.owner);
    for (let live = 1; live < 47; live += 1) await make(parent);
    const makers = [tenant.owner, parent, tenant.owner, parent, tenant.owner, parent];
    const answers = await Promise.all(makers.map((maker) => post(maker)));

    expect(answers.filter(({ status }) => status === 201)).toHaveLength(3);
    expect(answers.find(({ status }) => status !== 201)).toMatchObject({
      status: 409,
      json: { code: "illegal_state" },
    });
    // The parent takes along what it has made.
    await tenant.owner.send("DELETE", `/api/v1/api-keys/${parent.id}`);
    expect((await post(tenant.owner)).status).toBe(201);
    const other = await tenant.addMember("trader");
    expect((await post(other, { scopes: ["credentials:read"] })).status, "another member").toBe(201);
  });
});

describe("the last use of a key", () => {
  it("is shown in the list, with the member who calls, and costs a request no write", async () => {
    const used = await make(tenant.owner);
    const unused = await make(tenant.owner);
    const listed = async (id: string) => {
      const { json } = await tenant.owner.get("/api/v1/api-keys?limit=200");
      const items = z.array(z.looseObject({ id: z.string() })).parse(json["items"]);
      return items.find((one) => one.id === id);
    };
    const before = Date.now();
    for (let n = 0; n < 5; n += 1) await used.get("/api/v1/me");
    expect((await listed(used.id))?.["last_used_at"], "not written with the request").toBeNull();
    await api.keyUses.write();

    const shown = await listed(used.id);
    expect(Date.parse(String(shown?.["last_used_at"]))).toBeGreaterThanOrEqual(before - 1000);
    expect(shown?.["member_subject"]).toMatch(/^owner-/);
    expect((await listed(unused.id))?.["last_used_at"]).toBeNull();
  });

  it("never goes back, and is kept while it cannot be written", async () => {
    const key = await make(tenant.owner);
    await key.get("/api/v1/me");
    const { ownerPool } = api.world.database;
    await ownerPool.query(
      "revoke execute on function access.note_uses(uuid[], double precision[]) from keyhold_app",
    );
    await api.keyUses.write();
    await ownerPool.query(
      "grant execute on function access.note_uses(uuid[], double precision[]) to keyhold_app",
    );
    await api.keyUses.write();
    const lastUse = async () =>
      (await ownerPool.query("select last_used_at from api_keys where id = $1", [key.id])).rows[0]
        ?.last_used_at;
    const first = await lastUse();
    expect(first).toBeInstanceOf(Date);
    await ownerPool.query("select access.note_uses(array[$1]::uuid[], array[3600.0])", [key.id]);
    expect(await lastUse()).toEqual(first);
  });
});
