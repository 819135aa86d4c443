import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Member, system } from "../../src/access/principal.ts";
import { deleteAccount } from "../../src/credentials/erase.ts";
import { expireDue } from "../../src/credentials/expiry.ts";
import { freeze } from "../../src/credentials/freeze.ts";
import { show } from "../../src/credentials/list.ts";
import { inStore, reseal } from "../../src/credentials/reseal.ts";
import { remove, revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { rotateDataKey } from "../../src/tenants/data-key.ts";
import { deleteTenant, freezeTenant, suspendTenant } from "../../src/tenants/tenant.ts";
import { eventsOf } from "../../testkit/record.ts";
import { forge } from "../../testkit/rights.ts";
import { createResealWorld, plain, type ResealTenant, type ResealWorld } from "./reseal-fixture.ts";

let world: ResealWorld;
let at: ResealTenant;

beforeAll(async () => {
  world = await createResealWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  at = await world.openTenant();
});

const rowOf = (id: string) =>
  world.database.owner.selectFrom("credentials").selectAll().where("id", "=", id).executeTakeFirstOrThrow();

describe("resealing a credential", () => {
  test("keeps the same secret under the tenant's present data key, as a new version, and destroys the old one", async () => {
    const { id } = await at.registered({ policy: { allow: ["read", "trade"], reveal: true }, label: "desk" });
    const before = await show(at.custody, at.owner, id);
    const first = await at.sealingKey();
    await rotateDataKey(at.custody, { tenantId: at.tenant.id, id: first });
    await reseal(at.custody, at.tenant.id, id);
    const second = await at.sealingKey();
    expect(second).not.toBe(first);
    expect(await at.secretOf(id)).toEqual(plain);
    expect(await at.keptIn("postgres", id, 2)).toBe(`${second},${second}`);
    expect(await at.keptIn("postgres", id, 1)).toBe("absent");
    expect(await show(at.custody, at.owner, id), "all else is as it was").toEqual({
      ...before,
      secret: { store: "postgres", version: 2 },
      revision: before.revision + 1,
      updated_at: expect.any(String),
    });
    expect(at.venue.inspections, "the venue was asked at register alone").toBe(1);
  });

  test("moves it to the store that is named, and leaves nothing in the old one", async () => {
    const { id } = await at.registered();
    await reseal(at.custody, at.tenant.id, id, world.files);
    expect(await show(at.custody, at.owner, id)).toMatchObject({ secret: { store: "file", version: 2 } });
    expect(await at.secretOf(id)).toEqual(plain);
    const key = await at.sealingKey();
    expect([await at.keptIn("postgres", id, 1), await at.keptIn("file", id, 2)]).toEqual([
      "absent",
      `${key},${key}`,
    ]);
    await reseal(at.custody, at.tenant.id, id);
    expect(await rowOf(id), "where it is when no store is named").toMatchObject({
      store: "file",
      version: 3,
    });
  });

  test("is told in the record: what it was opened for, the new version, and the end of the old one", async () => {
    const { id } = await at.registered();
    await reseal(at.custody, at.tenant.id, id, world.files);
    const events = await eventsOf(at.custody.db, at.owner, id);
    expect(events.map(({ event, detail }) => [event, detail]).slice(1)).toEqual([
      ["credential.used", expect.objectContaining({ credential_id: id, purpose: "reseal" })],
      ["credential.resealed", expect.objectContaining({ credential_id: id, version: 2, store: "file" })],
      ["credential.version_destroyed", expect.objectContaining({ credential_id: id, version: 1 })],
    ]);
  });
});

describe("a credential that nobody may use now", () => {
  const expired = new Date(Date.now() - 1000);
  const states: readonly (readonly [string, () => Promise<string>])[] = [
    ["is frozen", async () => frozen((await at.registered()).id)],
    ["is frozen with its tenant", async () => await frozenTenant((await at.registered()).id)],
    ["is switched off", async () => switchedOff((await at.registered()).id)],
    ["is invalid", async () => withStatus("invalid")],
    [
      "has expired",
      async () => (await expireDue(at.custody).then(() => at.registered({ expiresAt: expired }))).id,
    ],
    ["is marked as expired", async () => withStatus("expired")],
    ["waits for its first verdict", async () => withStatus("pending")],
    ["belongs to a suspended tenant", async () => suspended((await at.registered()).id)],
  ];
  const frozen = async (id: string) => (await freeze(at.custody, at.owner, id, "a drill")).id;
  const switchedOff = async (id: string) => (await update(at.custody, at.owner, id, 1, { active: false })).id;
  const suspended = async (id: string) => {
    await suspendTenant(at.custody.db, world.operator, at.tenant.id);
    return id;
  };
  const frozenTenant = async (id: string) => {
    await freezeTenant(at.custody.db, at.owner, "a drill");
    return id;
  };
  const withStatus = async (status: "invalid" | "expired" | "pending") => {
    const { id } = await at.registered();
    // Nothing leads back to pending: the trigger that says so is passed by.
    const row = { kind: "credentials", tenantId: at.tenant.id, id } as const;
    await forge(world, row, sql`update credentials set status = ${status} where id = ${id}`);
    return id;
  };

  test.each(states)("is resealed all the same when it %s, and is no more usable after", async (_, make) => {
    const id = await make();
    const before = await rowOf(id);
    await expect(at.secretOf(id), "the control: nobody may use it").rejects.toThrow();
    await reseal(at.custody, at.tenant.id, id, world.files);
    const { version, store, revision, last_version, updated_at, ...rest } = await rowOf(id);
    const { openable: _versions, grant_number: _number, grant_mac: _mac, ...kept } = rest;
    expect(before, "status, health, policy, permissions, label").toMatchObject(kept);
    expect({ version, store, revision, last_version }).toEqual({
      version: 2,
      store: "file",
      revision: before.revision + 1,
      last_version: 2,
    });
    expect(updated_at > before.updated_at).toBe(true);
    expect(await at.keptIn("file", id, 2)).not.toBe("absent");
    await expect(at.secretOf(id)).rejects.toThrow();
  });

  test.each([
    ["revoked", "illegal_state", (id: string) => revoke(at.custody, at.owner, id)],
    ["deleted", "not_found", (id: string) => remove(at.custody, at.owner, id)],
    ["deleted with its account", "not_found", () => deleteAccount(at.custody, at.owner, at.accountId)],
    ["of a deleted tenant", "forbidden", () => deleteTenant(at.custody.db, world.operator, at.tenant.id)],
  ])("is never resealed when it is %s", async (_, code, end) => {
    const { id } = await at.registered();
    await end(id);
    await expect(reseal(at.custody, at.tenant.id, id)).rejects.toMatchObject({ code });
    expect(await at.keptIn("postgres", id, 2)).toBe("absent");
    const due = await inStore(at.custody.db, "postgres", 1_000_000);
    expect(
      due.map((placed) => placed.id),
      "and no migration stumbles over it",
    ).not.toContain(id);
  });
});

describe("the need to reseal", () => {
  test("is the service's alone: a member who asks for it is refused, whoever that is", async () => {
    const { id } = await at.registered();
    const need = { credentialId: id, need: "reseal", revision: null, event: "credential.used" } as const;
    const detail = { purpose: "reseal" };
    const ask = (principal: Member | ReturnType<typeof system>) =>
      at.custody.disclosures.append({ principal, ...need, detail });
    expect(await ask(at.owner)).toEqual({ outcome: "forbidden" });
    expect(await ask(await at.tenant.addMember("admin"))).toEqual({ outcome: "forbidden" });
    expect(await ask(system(at.tenant.id, "reseal")), "the control").toMatchObject({ outcome: "ok" });
  });
});
