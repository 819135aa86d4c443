import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { change, note } from "../../src/audit/change.ts";
import { register } from "../../src/credentials/register.ts";
import { createApiKey, revokeApiKey } from "../../src/tenants/api-key.ts";
import { addMember, updateMember } from "../../src/tenants/member.ts";
import { freezeTenant, suspendTenant, updatePolicy } from "../../src/tenants/tenant.ts";
import { eventNames } from "../../testkit/record.ts";
import { forge } from "../../testkit/rights.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  tenant = await world.createTenant();
  owner = tenant.owner;
});

/** A change whose caller's rights end after its work, and before its record. */
async function changeDuring(principal: Member, end: () => Promise<unknown>): Promise<string> {
  const { db } = world.custody;
  try {
    await change(db, principal, async (tx) => {
      await sql`update tenants set name = 'changed'`.execute(tx);
      await end();
      return { value: {}, events: [{ event: "tenant.updated", detail: { changed: ["name"] } }] };
    });
    return "changed";
  } catch (error) {
    return Object.assign({ code: "unknown" }, error).code;
  }
}

const nameOf = async (): Promise<string | undefined> =>
  (
    await sql<{ name: string }>`select name from tenants where id = ${tenant.id}`.execute(
      world.database.owner,
    )
  ).rows[0]?.name;

describe("a change is not made when, while it is under way,", () => {
  test.each<[string, string, (admin: Member) => Promise<unknown>]>([
    ["the role of its caller changes", "unauthenticated", ({ memberId }) => roleOf(memberId, "viewer")],
    ["its caller is suspended", "forbidden", ({ memberId }) => suspend(memberId)],
  ])("%s", async (_, code, end) => {
    const admin = await tenant.addMember("admin");
    expect(await changeDuring(admin, () => Promise.resolve()), "the control").toBe("changed");
    await sql`update tenants set name = 'before' where id = ${tenant.id}`.execute(world.database.owner);

    expect(await changeDuring(admin, () => end(admin))).toBe(code);
    expect(await nameOf()).toBe("before");
  });

  test("or shortly before, the tenant is suspended", async () => {
    await suspendTenant(world.custody.db, world.operator, tenant.id);

    expect(await changeDuring(owner, () => Promise.resolve())).toBe("forbidden");
    expect(await nameOf()).not.toBe("changed");
  });

  test("the API key of its caller, or the key that made it, is revoked", async () => {
    const { db } = world.custody;
    const make = (who: Member) =>
      createApiKey(db, who, { name: "key", scopes: ["tenant:write", "api-keys:write"] });
    const parent = await make(owner);
    const byParent = { ...owner, apiKeyId: parent.id };
    const child = await make(byParent);
    const byChild = { ...owner, apiKeyId: child.id, makers: [parent.id] };

    expect(await changeDuring(byChild, () => Promise.resolve()), "the control").toBe("changed");
    expect(await changeDuring(byChild, () => revokeApiKey(db, owner, parent.id))).toBe("unauthenticated");
    expect(await changeDuring(byParent, () => Promise.resolve())).toBe("unauthenticated");
  });
});

test("What has happened already is recorded, whatever became of its caller", async () => {
  const trader = await tenant.addMember("trader");
  await suspend(trader.memberId);
  await note(world.custody.db, trader, {
    event: "credential.checked",
    detail: { venue: "scripted", environment: "live", outcome: "valid" },
  });

  expect(await eventNames(world.custody.db, owner)).toContain("credential.checked");
});

test.each<[string, (db: World["custody"]["db"], admin: Member) => Promise<unknown>]>([
  ["freezes the tenant", (db, admin) => freezeTenant(db, admin, null)],
  ["changes the policy", (db, admin) => updatePolicy(db, admin, { allow_withdraw: true })],
  ["adds a member", (db, admin) => addMember(db, admin, { issuer: "i", subject: "s", role: "trader" })],
  ["makes a key", (db, admin) => createApiKey(db, admin, { name: "key", scopes: ["credentials:read"] })],
  ["changes itself", (db, admin) => updateMember(db, admin, admin.memberId, { role: "admin" })],
])("A member whose role has changed meanwhile no longer %s", async (_, verb) => {
  const admin = await tenant.addMember("admin");
  const { db } = world.custody;
  await expect(verb(db, admin), "the control").resolves.toBeDefined();
  await roleOf(admin.memberId, "viewer");

  await expect(verb(db, admin)).rejects.toThrow();
});

test("A suspended member does not let itself in again", async () => {
  const admin = await tenant.addMember("admin");
  await suspend(admin.memberId);
  const change = updateMember(world.custody.db, admin, admin.memberId, { status: "active" });

  await expect(change).rejects.toMatchObject({ code: "unauthenticated" });
});

test("An administrator does not demote a member that has become an owner meanwhile", async () => {
  const { db } = world.custody;
  const admin = await tenant.addMember("admin");
  const target = await tenant.addMember("trader");
  const promoted = Promise.withResolvers<undefined>();
  const held = Promise.withResolvers<undefined>();
  const row = { kind: "members", tenantId: tenant.id, id: target.memberId } as const;
  const promotion = sql`update members set role = 'owner' where id = ${target.memberId}`;
  const promoting = forge(world, row, promotion, async () => {
    held.resolve(undefined);
    await promoted.promise;
  });
  await held.promise;
  const demoting = updateMember(db, admin, target.memberId, { role: "viewer" });
  demoting.catch(() => undefined);
  await expect.poll(waiting).toBeGreaterThan(0);
  promoted.resolve(undefined);
  await promoting;

  await expect(demoting).rejects.toMatchObject({ code: "forbidden" });
});

test.each([
  ["frozen", (id: string) => sql`update accounts set frozen_at = now() where id = ${id}`, "frozen"],
  [
    "switched off",
    (id: string) => sql`update accounts set active = false where id = ${id}`,
    "credential_inactive",
  ],
] as const)(
  "A credential is not registered in an account that was %s while the venue was asked",
  async (_, end, code) => {
    const venue = new ScriptedVenue();
    const accountId = await world.createAccount(owner);
    venue.verdict = async () => {
      await forge(world, { kind: "accounts", tenantId: tenant.id, id: accountId }, end(accountId));
      return valid();
    };
    const fields = secretFields({ api_key: "key", api_secret: "secret" });
    const input = { accountId, venue: "scripted", environment: "live", fields } as const;

    await expect(register(venue.in(world.custody), owner, input)).rejects.toMatchObject({ code });
  },
);

test("A key that may withdraw is not kept when the tenant has forbidden it while the venue was asked", async () => {
  const venue = new ScriptedVenue();
  const { db } = world.custody;
  const accountId = await world.createAccount(owner);
  await updatePolicy(db, owner, { allow_withdraw: true });
  const fields = () => secretFields({ api_key: "key", api_secret: "secret" });
  const input = (label: string) =>
    ({ accountId, venue: "scripted", environment: "live", label, fields: fields() }) as const;
  venue.verdict = () => ({ ...valid(), permissions: { ...valid().permissions, withdraw: "yes" } });
  await expect(register(venue.in(world.custody), owner, input("one")), "the control").resolves.toBeDefined();
  venue.verdict = async () => {
    await updatePolicy(db, owner, { allow_withdraw: false });
    return { ...valid(), permissions: { ...valid().permissions, withdraw: "yes" } };
  };

  await expect(register(venue.in(world.custody), owner, input("two"))).rejects.toMatchObject({
    code: "withdraw_refused",
  });
});

async function roleOf(memberId: string, role: string): Promise<void> {
  const row = { kind: "members", tenantId: tenant.id, id: memberId } as const;
  await forge(world, row, sql`update members set role = ${role} where id = ${memberId}`);
}

async function suspend(memberId: string): Promise<void> {
  const row = { kind: "members", tenantId: tenant.id, id: memberId } as const;
  await forge(world, row, sql`update members set status = 'suspended' where id = ${memberId}`);
}

async function waiting(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`.execute(world.database.owner);
  return rows[0]?.n ?? 0;
}
