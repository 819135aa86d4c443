import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { show } from "../../src/credentials/list.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { type CredentialName, withSecret } from "../../src/credentials/use.ts";
import type { Secret } from "../../src/crypto/secret.ts";
import { updateAccount } from "../../src/tenants/account.ts";
import { updateMember } from "../../src/tenants/member.ts";
import { suspendTenant } from "../../src/tenants/tenant.ts";
import { eventsOf } from "../../testkit/record.ts";
import { refusals, ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let accountId: string;
let venue: ScriptedVenue;
let custody: Custody;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
});

const secret = { api_key: 'key "1"', api_secret: String.raw`secret\1` };

function registered(changes: Partial<Registration> = {}) {
  const fields = secretFields(secret);
  const policy = { reveal: true };
  return register(custody, owner, {
    accountId,
    venue: "scripted",
    environment: "live",
    fields,
    policy,
    ...changes,
  });
}

const text = (value: Secret | undefined) => value?.expose((bytes) => Buffer.from(bytes).toString());
const use = (who: Member, name: CredentialName) =>
  withSecret(custody, who, name, (fields) => Promise.resolve(text(fields.get("api_secret"))));

describe("the scope of a secret", () => {
  test("lends the plaintext by id and by purpose", async () => {
    const { id } = await registered();
    const other = await registered({
      label: "other",
      fields: secretFields({ api_key: "key", api_secret: "another" }),
    });
    expect(await use(owner, { id })).toBe(secret.api_secret);
    const purpose = { accountId, venue: "scripted", environment: "live" } as const;
    expect(await use(owner, purpose)).toBe(secret.api_secret);
    expect(await use(owner, { ...purpose, label: "other" })).toBe("another");
    expect((await eventsOf(custody.db, owner, other.id)).at(-1)).toMatchObject({
      event: "credential.used",
      outcome: "ok",
      detail: {
        actor: { kind: "member", member_id: owner.memberId },
        credential_id: other.id,
        purpose: "scope",
      },
    });
  });

  test("ends with the work, however that ends: a kept reference holds nothing", async () => {
    const { id } = await registered();
    const kept: Secret[] = [];
    const views: Uint8Array[] = [];
    const keep = (fields: ReadonlyMap<string, Secret>) => {
      for (const one of fields.values()) {
        kept.push(one);
        one.expose((bytes) => views.push(bytes));
        expect(one.disposed, "the control: it is open inside").toBe(false);
      }
      expect(views.some((view) => view.some((byte) => byte !== 0))).toBe(true);
    };
    await withSecret(custody, owner, { id }, (fields) => Promise.resolve(keep(fields)));
    const failing = withSecret(custody, owner, { id }, (fields) => {
      keep(fields);
      return Promise.reject(new Error("the work failed"));
    });
    await expect(failing).rejects.toThrow("the work failed");
    expect(kept.map(({ disposed }) => disposed)).toEqual([true, true, true, true]);
    expect(() => kept[0]?.expose(() => undefined)).toThrow("disposed");
    expect(
      views.every((view) => view.every((byte) => byte === 0)),
      "and its bytes are zeroes",
    ).toBe(true);
  });

  test("tells a wrong owner, a switched-off, an expired and a missing credential apart, and records each", async () => {
    const active = await registered();
    const inactive = await registered({ label: "inactive" });
    await update(custody, owner, inactive.id, 1, { active: false });
    const expired = await registered({ label: "expired", expiresAt: new Date(Date.now() - 1000) });
    const trader = await tenant.addMember("trader");
    const stranger = (await world.createTenant()).owner;
    const missing = crypto.randomUUID();

    const refused = async (who: Member, id: string) => {
      const error: unknown = await use(who, { id }).catch((error: unknown) => error);
      const event = (await eventsOf(custody.db, who === trader ? owner : who)).at(-1);
      expect(event).toMatchObject({
        event: "credential.refused",
        detail: { credential_id: id, actor: { member_id: who.memberId } },
      });
      return [error, event?.outcome];
    };
    const error = (code: string, status: number) => expect.objectContaining({ code, status });
    expect(await refused(trader, active.id)).toEqual([error("forbidden", 403), "forbidden"]);
    expect(await refused(owner, inactive.id)).toEqual([error("credential_inactive", 400), "inactive"]);
    expect(await refused(owner, expired.id)).toEqual([error("illegal_state", 409), "expired"]);
    expect(await refused(owner, missing)).toEqual([error("not_found", 404), "absent"]);
    expect(await refused(stranger, active.id)).toEqual([error("not_found", 404), "absent"]);
    expect(await use(owner, active), "the control").toBe(secret.api_secret);
  });

  test("another tenant's credential and a missing one are refused in the same words", async () => {
    const { id } = await registered();
    const stranger = (await world.createTenant()).owner;
    const words = async (id: string) => {
      const error: unknown = await use(stranger, { id }).catch((error: unknown) => error);
      return JSON.stringify(error) + String(error);
    };
    expect(await words(id)).toBe(await words(crypto.randomUUID()));
  });

  test("is refused by purpose as by id", async () => {
    await registered();
    const purpose = { accountId, venue: "scripted", environment: "live" } as const;
    const trader = await tenant.addMember("trader");
    const stranger = (await world.createTenant()).owner;
    await expect(use(trader, purpose)).rejects.toMatchObject({ code: "forbidden" });
    await expect(use(stranger, purpose)).rejects.toMatchObject({ code: "not_found" });
    await expect(use(owner, { ...purpose, environment: "paper" })).rejects.toMatchObject({
      code: "not_found",
    });
    await updateAccount(custody.db, owner, accountId, { active: false });
    await expect(use(owner, purpose)).rejects.toMatchObject({ code: "credential_inactive" });
  });

  test("needs the scope, and a member and tenant that are active at this moment", async () => {
    const { id } = await registered();
    const viewer = await tenant.addMember("viewer");
    await expect(use(viewer, { id })).rejects.toMatchObject({ facts: { required_scope: "credentials:use" } });
    const admin = await tenant.addMember("admin");
    expect(await use(admin, { id })).toBe(secret.api_secret);
    await updateMember(custody.db, owner, admin.memberId, { status: "suspended" });
    await expect(use(admin, { id })).rejects.toMatchObject({
      code: "forbidden",
      facts: { reason: "member_inactive" },
    });
    await suspendTenant(custody.db, world.operator, tenant.id);
    await expect(use(owner, { id })).rejects.toMatchObject({
      code: "forbidden",
      facts: { reason: "tenant_inactive" },
    });
  });

  test.each([
    ["its frame", "overlay(sealed placing '\\xff'::bytea from 6 for 1)"],
    ["its length", "substring(sealed for 11)"],
    ["everything", "'\\x00'::bytea"],
  ])("does not open what is damaged, and says so: %s", async (_, damage) => {
    const { id } = await registered();
    await world.database.ownerPool.query(
      `update sealed_secrets set sealed = ${damage} where credential_id = $1`,
      [id],
    );
    await expect(use(owner, { id })).rejects.toMatchObject({ code: "secret_damaged" });
  });

  test("does not open what was moved: sealed bytes of another credential are no secret of this one", async () => {
    const one = await registered();
    const two = await registered({ label: "two" });
    const { ownerPool } = world.database;
    await ownerPool.query(
      "update sealed_secrets set sealed = (select sealed from sealed_secrets where credential_id = $1) where credential_id = $2",
      [one.id, two.id],
    );
    await expect(use(owner, two)).rejects.toMatchObject({ code: "secret_damaged" });
    expect(await use(owner, one), "the control").toBe(secret.api_secret);
  });
});

describe("revealing", () => {
  test("gives one document of bytes, with the stated reason in the record", async () => {
    const { id } = await registered();
    const bytes = await reveal(custody, owner, id, "moving to another \u{1F4BB}");
    expect(JSON.parse(Buffer.from(bytes).toString())).toEqual({
      credential_id: id,
      venue: "scripted",
      environment: "live",
      version: 1,
      secret,
    });
    expect(bytes.buffer.byteLength, "in a buffer of its own, which can be zeroed").toBeGreaterThan(64);
    expect((await eventsOf(custody.db, owner, id)).at(-1)).toMatchObject({
      event: "credential.revealed",
      detail: { reason: "moving to another \u{1F4BB}" },
    });
  });

  test("needs the scope and the credential's own policy", async () => {
    const { id } = await registered({ policy: {} });
    const admin = await tenant.addMember("admin");
    await expect(reveal(custody, admin, id, "why")).rejects.toMatchObject({
      facts: { required_scope: "credentials:reveal" },
    });
    await expect(reveal(custody, owner, id, "why")).rejects.toMatchObject({ code: "policy_forbids" });
    await update(custody, owner, id, 1, { policy: { reveal: true } });
    expect((await reveal(custody, owner, id, "why")).byteLength).toBeGreaterThan(0);
  });
});

describe("updating", () => {
  test("changes what is named, under the revision that the caller has seen", async () => {
    const { id } = await registered();
    const changed = await update(custody, owner, id, 1, {
      label: "renamed",
      expiresAt: new Date("2100-01-01"),
      policy: { allow: ["read", "trade"] },
    });
    expect(changed).toMatchObject({
      revision: 2,
      label: "renamed",
      expires_at: "2100-01-01T00:00:00.000Z",
      policy: { allow: ["read", "trade"], reveal: true },
    });
    await expect(update(custody, owner, id, 1, { label: "again" })).rejects.toMatchObject({
      code: "stale",
      status: 412,
      facts: { revision: 2 },
    });
    expect(await update(custody, owner, id, 2, { expiresAt: null })).toMatchObject({ expires_at: null });
    expect((await eventsOf(custody.db, owner, id)).at(-1)).toMatchObject({
      event: "credential.updated",
      detail: { changed: ["owner_expires_at"] },
    });
  });

  test("of twenty at once lets one through", async () => {
    const { id } = await registered();
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) => update(custody, owner, id, 1, { label: `label-${n}` })),
    );
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const one of all) if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "stale" });
  });

  test("a label in use is a duplicate, also for twenty who take it at once", async () => {
    await registered({ label: "taken" });
    const { id } = await registered({ label: "mine" });
    await expect(update(custody, owner, id, 1, { label: "taken" })).rejects.toMatchObject({
      code: "duplicate",
    });
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, n) => registered({ label: `label-${n}` })),
    );
    const all = await Promise.allSettled(
      others.map(({ id }) => update(custody, owner, id, 1, { label: "free" })),
    );
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const one of all)
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "duplicate" });
  });

  test("switching on asks the venue, and changes the rest with it or nothing", async () => {
    const { id } = await registered();
    await update(custody, owner, id, 1, { active: false });
    venue.verdict = () => refusals[0] ?? { outcome: "timeout", message: "" };
    const both = { active: true, label: "renamed" };
    await expect(update(custody, owner, id, 2, both)).rejects.toMatchObject({
      code: "venue_rejected",
      detail: expect.stringContaining("stays inactive"),
    });
    const seen = await update(custody, owner, id, 3, {});
    expect(seen).toMatchObject({ status: "inactive", label: "default", health: "unhealthy" });

    venue.verdict = () => ({ outcome: "timeout", message: "Scripted: too late." });
    await expect(update(custody, owner, id, 4, both)).rejects.toMatchObject({ code: "venue_unavailable" });
    venue.verdict = new ScriptedVenue().verdict;
    await expect(update(custody, owner, id, 3, both)).rejects.toMatchObject({ code: "stale" });
    expect(await update(custody, owner, id, 4, both)).toMatchObject({
      status: "active",
      label: "renamed",
      revision: 5,
    });
    expect(
      await update(custody, owner, id, 5, { active: true }),
      "on already: nobody is asked",
    ).toMatchObject({
      status: "active",
    });
  });

  test("switching on what somebody changes meanwhile is stale, and changes nothing", async () => {
    const { id } = await registered();
    await update(custody, owner, id, 1, { active: false });
    venue.verdict = async () => {
      await update(custody, owner, id, 2, { label: "renamed" });
      return valid();
    };
    await expect(update(custody, owner, id, 2, { active: true })).rejects.toMatchObject({ code: "stale" });
    expect(await show(custody, owner, id)).toMatchObject({
      status: "inactive",
      label: "renamed",
      revision: 3,
    });
  });

  test("switching on something whose date has passed says so", async () => {
    const { id } = await registered({ expiresAt: new Date(Date.now() + 50) });
    await update(custody, owner, id, 1, { active: false, expiresAt: new Date(Date.now() - 1000) });
    await expect(update(custody, owner, id, 2, { active: true })).rejects.toMatchObject({
      code: "illegal_state",
      detail: expect.stringContaining("expiry date has passed"),
    });
  });

  test("what is revoked cannot be changed", async () => {
    const { id } = await registered();
    await revoke(custody, owner, id);
    for (const input of [{ label: "x" }, { active: true }, { active: false }]) {
      await expect(update(custody, owner, id, 2, input)).rejects.toMatchObject({ code: "illegal_state" });
    }
  });
});
