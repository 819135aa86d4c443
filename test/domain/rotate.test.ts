import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { expireDue } from "../../src/credentials/expiry.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { reseal } from "../../src/credentials/reseal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { type NewSecret, rotate } from "../../src/credentials/rotate.ts";
import { finishDueRotations, finishRotation, rollBack } from "../../src/credentials/rotation.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { updatePolicy } from "../../src/tenants/tenant.ts";
import type { CallTarget } from "../../src/venues/venue.ts";
import { eventNames } from "../../testkit/record.ts";
import { forge } from "../../testkit/rights.ts";
import { refusals, ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;
let accountId: string;
let venue: ScriptedVenue;
let custody: Custody;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
});

const first = { api_key: "key-1", api_secret: "secret-1" };
const second = { api_key: "key-2", api_secret: "secret-2" };

async function registered(changes: Partial<Registration> = {}) {
  const fields = secretFields(first);
  return register(custody, owner, { accountId, venue: "scripted", environment: "live", fields, ...changes });
}

/** To a new key, from revision 1. */
async function rotated(id: string, changes: Partial<NewSecret> = {}, revision = 1) {
  return rotate(custody, owner, id, revision, { fields: secretFields(second), ...changes });
}

function keyOf({ fields }: Pick<CallTarget, "fields">): string {
  return fields.get("api_key")?.expose((bytes) => Buffer.from(bytes).toString()) ?? "";
}

function secretOf(id: string): Promise<string> {
  return withSecret(custody, owner, { id }, (fields) => Promise.resolve(keyOf({ fields })));
}

async function versionsOf(id: string): Promise<readonly string[]> {
  const { rows } = await sql<{ line: string }>`select v.version || ' ' || v.state ||
    case when s.version is null then '' else ' kept' end as line
    from credential_versions v left join sealed_secrets s using (credential_id, version)
    where credential_id = ${id} order by v.version`.execute(world.database.owner);
  return rows.map(({ line }) => line);
}

async function letOverlapPass(id: string): Promise<void> {
  await sql`update rotations set overlap_until = now() where state = 'overlap' and credential_id = ${id}`.execute(
    world.database.owner,
  );
}

describe("a rotation", () => {
  test("of a credential that ailed tells that it does no more, and of a sound one tells nothing of it", async () => {
    const { id } = await registered();
    await rotated(id);
    expect(await eventNames(custody.db, owner, id)).not.toContain("credential.recovered");
    const { id: ailing } = await registered({ label: "ailing" });
    await sql`update credentials set health = 'degraded' where id = ${ailing}`.execute(world.database.owner);
    await rotated(ailing);
    expect(await eventNames(custody.db, owner, ailing)).toContain("credential.recovered");
  });

  test("puts the new secret in force at once and keeps the old one for the overlap", async () => {
    const { id } = await registered();
    const { credential, rotation } = await rotated(id);
    expect(credential).toMatchObject({ status: "active", revision: 2, secret: { version: 2 } });
    expect(rotation).toMatchObject({ state: "overlap", from_version: 1, to_version: 2, fallbacks: 0 });
    const overlap = new Date(rotation.overlap_until).getTime() - new Date(rotation.started_at).getTime();
    expect(Math.round(overlap / 1000)).toBe(3600);
    expect(await secretOf(id)).toBe("key-2");
    expect(await versionsOf(id)).toEqual(["1 retired kept", "2 current kept"]);
    expect(await eventNames(custody.db, owner, id)).toContain("credential.rotation_started");
  });

  test("is finished by the clock when its overlap is over, not before, and once", async () => {
    const { id } = await registered();
    await rotated(id);
    expect(await finishDueRotations(custody)).toEqual({ done: 0, failed: 0 });
    await letOverlapPass(id);
    expect(await finishDueRotations(custody)).toEqual({ done: 1, failed: 0 });
    expect(await versionsOf(id)).toEqual(["1 destroyed", "2 current kept"]);
    expect(await finishDueRotations(custody)).toEqual({ done: 0, failed: 0 });
    expect(await eventNames(custody.db, owner, id)).toContain("credential.rotation_finished");
    expect(await secretOf(id)).toBe("key-2");
  });

  test("can be finished early by hand", async () => {
    const { id } = await registered();
    await rotated(id);
    expect(await finishRotation(custody, owner, id)).toMatchObject({ state: "finished" });
    expect(await versionsOf(id)).toEqual(["1 destroyed", "2 current kept"]);
    await expect(finishRotation(custody, owner, id)).rejects.toMatchObject({ code: "illegal_state" });
  });

  test("without an overlap destroys the old secret at once", async () => {
    const { id } = await registered();
    expect(await rotated(id, { overlapSeconds: 0 })).toMatchObject({ rotation: { state: "finished" } });
    expect(await versionsOf(id)).toEqual(["1 destroyed", "2 current kept"]);
    await expect(rollBack(custody, owner, id, 2)).rejects.toMatchObject({ code: "illegal_state" });
  });

  test("can be rolled back while the overlap lasts, and then the new secret is destroyed", async () => {
    const { id } = await registered();
    await rotated(id);
    await expect(rollBack(custody, owner, id, 1), "as it was before").rejects.toMatchObject({
      code: "stale",
    });
    const { credential, rotation } = await rollBack(custody, owner, id, 2);
    expect(credential).toMatchObject({ revision: 3, secret: { version: 1 } });
    expect(rotation).toMatchObject({ state: "rolled_back" });
    expect(await secretOf(id)).toBe("key-1");
    expect(await versionsOf(id)).toEqual(["1 current kept", "2 destroyed"]);
    await letOverlapPass(id);
    expect(await finishDueRotations(custody)).toEqual({ done: 0, failed: 0 });
    expect(await rotated(id, {}, 3), "the next gets a number of its own").toMatchObject({
      credential: { secret: { version: 3 } },
    });
  });
});

describe("a rotation is refused", () => {
  test.each(refusals)(
    "where the venue answers $outcome $reason, and the old secret stays",
    async (verdict) => {
      const { id } = await registered();
      venue.verdict = () => verdict;
      await expect(rotated(id)).rejects.toMatchObject({ facts: { outcome: verdict.outcome } });
      venue.verdict = () => valid();
      expect(await secretOf(id)).toBe("key-1");
      expect(await versionsOf(id)).toEqual(["1 current kept"]);
      expect(await eventNames(custody.db, owner, id)).toContain("credential.rotation_refused");
    },
  );

  test("to a key of another account, where the venue tells whose it is", async () => {
    const ofAccount = (name: string) => () => ({ ...valid(), account: { id: name } });
    venue.verdict = ofAccount("one");
    const { id } = await registered();
    venue.verdict = ofAccount("two");
    await expect(rotated(id)).rejects.toMatchObject({ code: "venue_account" });
    venue.verdict = ofAccount("one");
    expect(await rotated(id), "the control").toMatchObject({ rotation: { state: "overlap" } });
  });

  test("to a key that may do more, or from more addresses, unless that is allowed", async () => {
    venue.verdict = () => valid({ permissions: { trade: "no", boundIps: ["203.0.113.7"] } });
    const { id } = await registered();
    venue.verdict = () => valid({ permissions: { trade: "yes", boundIps: [] } });
    await expect(rotated(id)).rejects.toMatchObject({
      code: "wider_permissions",
      facts: { wider: ["trade", "bound_ips"] },
    });
    expect(await rotated(id, { allowWider: true })).toMatchObject({ rotation: { state: "overlap" } });
  });

  test("to a key that the tenant's policy would not take, even where more is allowed", async () => {
    const { id } = await registered();
    venue.verdict = () => valid({ permissions: { withdraw: "yes" } });
    await expect(rotated(id, { allowWider: true })).rejects.toMatchObject({ code: "withdraw_refused" });
    await updatePolicy(custody.db, owner, { allow_withdraw: true });
    expect(await rotated(id, { allowWider: true }), "the control").toBeDefined();
  });

  test("to the key that is in use", async () => {
    const { id } = await registered();
    await expect(rotated(id, { fields: secretFields(first) })).rejects.toMatchObject({ code: "same_secret" });
    const half = secretFields({ ...first, api_secret: "another" });
    expect(await rotated(id, { fields: half }), "the control").toBeDefined();
  });

  test("while another is under way, on a stale revision, and of fifty at once all but one", async () => {
    const { id } = await registered();
    await expect(rotated(id, {}, 2)).rejects.toMatchObject({ code: "stale" });
    const many = await Promise.allSettled(Array.from({ length: 50 }, () => rotated(id)));
    expect(many.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect((await versionsOf(id)).filter((line) => line.includes("current"))).toHaveLength(1);
    expect((await versionsOf(id)).filter((line) => line.includes("kept"))).toHaveLength(2);
    await expect(rotated(id, {}, 2)).rejects.toMatchObject({ code: "illegal_state" });
  });

  test("of a credential that is switched off, expired or revoked", async () => {
    const off = await registered({ label: "off" });
    await update(custody, owner, off.id, 1, { active: false });
    await expect(rotated(off.id, {}, 2)).rejects.toMatchObject({ code: "credential_inactive" });
    const past = await registered({ label: "past", expiresAt: new Date(Date.now() + 100_000) });
    await forge(
      world,
      { kind: "credentials", tenantId: owner.tenantId, id: past.id },
      sql`update credentials set owner_expires_at = now() where id = ${past.id}`,
    );
    await expireDue(custody);
    await expect(rotated(past.id, {}, 2)).rejects.toMatchObject({ code: "illegal_state" });
    const gone = await registered({ label: "gone" });
    await revoke(custody, owner, gone.id);
    await expect(rotated(gone.id, {}, 2)).rejects.toMatchObject({ code: "illegal_state" });
  });

  test("by whoever may not write the credential", async () => {
    const { id } = await registered();
    const tenantId = owner.tenantId;
    const viewer: Member = { ...owner, role: "viewer", scopes: new Set(["credentials:read"]) };
    expect(viewer.tenantId).toBe(tenantId);
    await expect(rotate(custody, viewer, id, 1, { fields: secretFields(second) })).rejects.toMatchObject({
      code: "forbidden",
    });
  });
});

describe("a use during the overlap", () => {
  const order = { symbol: "X", type: "market", side: "buy", amount: "1" };
  const rejected = { outcome: "rejected", reason: "bad_key", message: "Scripted: bad key." } as const;

  /** The venue does not know the new key yet, say. */
  function refusing(...keys: readonly string[]): void {
    venue.invoke = async (target) => {
      venue.invocations += 1;
      return keys.includes(keyOf(target)) ? rejected : { outcome: "done", result: { with: keyOf(target) } };
    };
  }

  test("prefers the new secret", async () => {
    const { id } = await registered();
    await rotated(id);
    refusing();
    const { result } = await invoke(custody, owner, id, read);
    expect(result).toEqual({ with: "key-2" });
  });
  const read = { operation: "fetchBalance", params: {}, idempotencyKey: null };

  test("falls back to the old one where the venue refuses the new one, and that is counted", async () => {
    const { id } = await registered({ policy: { allow: ["read", "trade"] } });
    await rotated(id);
    refusing("key-2");
    expect(await invoke(custody, owner, id, read)).toMatchObject({ result: { with: "key-1" } });
    const trade = { operation: "createOrder", params: order, idempotencyKey: "one" };
    expect(await invoke(custody, owner, id, trade)).toMatchObject({ result: { with: "key-1" } });
    const { rows } = await sql<{
      fallbacks: number;
    }>`select fallbacks from rotations where credential_id = ${id}`.execute(world.database.owner);
    expect(rows).toEqual([{ fallbacks: 2 }]);
  });

  test("does not fall back when both are refused, when the overlap is over, or where there is no rotation", async () => {
    const { id } = await registered();
    refusing("key-1");
    await expect(invoke(custody, owner, id, read), "no rotation").rejects.toMatchObject({
      code: "venue_rejected",
    });
    await rotated(id);
    refusing("key-1", "key-2");
    await expect(invoke(custody, owner, id, read), "both").rejects.toMatchObject({ code: "venue_rejected" });
    refusing("key-2");
    await letOverlapPass(id);
    await expect(invoke(custody, owner, id, read), "over").rejects.toMatchObject({ code: "venue_rejected" });
  });
});

describe("what happens to a credential while it is rotated", () => {
  test("a replacement ends the rotation with both of its secrets", async () => {
    const { id } = await registered();
    await rotated(id);
    await replace(custody, owner, id, 2, secretFields({ api_key: "key-3", api_secret: "secret-3" }));
    expect(await versionsOf(id)).toEqual(["1 destroyed", "2 destroyed", "3 current kept"]);
    await expect(rollBack(custody, owner, id, 3)).rejects.toMatchObject({ code: "illegal_state" });
  });

  test("a revocation destroys both secrets", async () => {
    const { id } = await registered();
    await rotated(id);
    await revoke(custody, owner, id);
    expect(await versionsOf(id)).toEqual(["1 destroyed", "2 destroyed"]);
    await letOverlapPass(id);
    await finishDueRotations(custody);
    expect(await eventNames(custody.db, owner, id)).not.toContain("credential.rotation_finished");
  });

  test("resealing leaves the way back open", async () => {
    const { id } = await registered();
    await rotated(id);
    await reseal(custody, owner.tenantId, id);
    expect(await versionsOf(id)).toEqual(["1 retired kept", "2 destroyed", "3 current kept"]);
    expect(await secretOf(id)).toBe("key-2");
    await rollBack(custody, owner, id, 3);
    expect(await secretOf(id)).toBe("key-1");
    expect(await versionsOf(id)).toEqual(["1 current kept", "2 destroyed", "3 destroyed"]);
  });
});
