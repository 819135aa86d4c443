import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { checkDue } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { freeze, unfreeze } from "../../src/credentials/freeze.ts";
import { healthOf } from "../../src/credentials/health.ts";
import { show } from "../../src/credentials/list.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { validate } from "../../src/credentials/validate.ts";
import { updateAccount } from "../../src/tenants/account.ts";
import { freezeTenant, suspendTenant, unfreezeTenant, updatePolicy } from "../../src/tenants/tenant.ts";
import type { Verdict } from "../../src/venues/verdict.ts";
import { makeDue } from "../../testkit/due.ts";
import { eventNames } from "../../testkit/record.ts";
import { refusals, ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let accountId: string;
let venue: ScriptedVenue;
let custody: Custody;

const badKey = { outcome: "rejected", reason: "bad_key", message: "Scripted: bad key." } as const;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
// The clock looks at every tenant but a suspended one.
afterEach(() => suspendTenant(custody.db, world.operator, tenant.id));
beforeEach(async () => {
  // What other tests had refused would count against the venue.
  await sql`update credentials set refused_since = null`.execute(world.database.owner);
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
});

async function registered(changes: Partial<Registration> = {}) {
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const credential = await register(custody, owner, {
    accountId,
    venue: "scripted",
    environment: "live",
    fields,
    ...changes,
  });
  return { ...credential, now: () => show(custody, owner, credential.id) };
}

async function deferred() {
  await updatePolicy(custody.db, owner, { allow_deferred: true });
  return registered({ validation: "deferred" });
}

/** As if the first refusal had come so many seconds earlier. */
async function letPass(seconds: number): Promise<void> {
  const { owner: db } = world.database;
  await sql`update credentials set rejected_at = rejected_at - ${seconds} * interval '1 second',
    next_check_at = next_check_at - ${seconds} * interval '1 second'`.execute(db);
}

describe("validating a credential that is kept", () => {
  test("a valid verdict is told and kept with what the venue says now", async () => {
    const credential = await registered();
    venue.verdict = () =>
      valid({ permissions: { trade: "no" }, account: { type: "paper", status: "ACTIVE" } });
    expect(await validate(custody, owner, credential.id)).toEqual({
      is_valid: true,
      outcome: "valid",
      message: "The venue accepts the credential.",
      status: "active",
      permissions: {
        read: "yes",
        trade: "no",
        withdraw: "no",
        transfer: "no",
        bound_ips: [],
        unknown_words: [],
      },
      account_type: "paper",
      account_status: "ACTIVE",
      account: { type: "paper", status: "ACTIVE" },
      expires_at: null,
    });
    const after = await credential.now();
    expect(after).toMatchObject({ revision: 2, health: "healthy", permissions: { trade: "no" } });
    expect(Date.parse(after.last_validated_at ?? "")).toBeGreaterThan(
      Date.parse(credential.last_validated_at ?? ""),
    );
  });

  test.each(refusals)("tells $outcome $reason and changes what follows from it", async (verdict) => {
    const credential = await registered();
    venue.verdict = () => verdict;
    const told = await validate(custody, owner, credential.id);
    const indefinite = told.is_valid === null;
    expect(told).toMatchObject({ outcome: verdict.outcome, message: verdict.message, status: "active" });
    expect(await credential.now()).toMatchObject(
      indefinite
        ? { revision: 1, health: "healthy", health_message: null }
        : {
            revision: 2,
            health: verdict.outcome === "rejected" ? "unhealthy" : "degraded",
            health_message: verdict.message,
          },
    );
    expect(await eventNames(custody.db, owner, credential.id)).toEqual([
      "credential.registered",
      "credential.used",
      "credential.validated",
      ...(indefinite ? [] : ["credential.degraded"]),
    ]);
    expect(await withSecret(custody, owner, credential, () => Promise.resolve("still usable"))).toBe(
      "still usable",
    );
  });

  test("a switched-off credential, one of a switched-off account and a frozen one are not asked about", async () => {
    const credential = await registered();
    await update(custody, owner, credential.id, 1, { active: false });
    await expect(validate(custody, owner, credential.id)).rejects.toMatchObject({
      code: "credential_inactive",
      status: 400,
    });
    await update(custody, owner, credential.id, 2, { active: true });
    const asked = venue.inspections;

    await updateAccount(custody.db, owner, accountId, { active: false });
    await expect(validate(custody, owner, credential.id)).rejects.toMatchObject({
      code: "credential_inactive",
    });
    await updateAccount(custody.db, owner, accountId, { active: true });

    await freeze(custody, owner, credential.id, "an incident");
    await expect(validate(custody, owner, credential.id)).rejects.toMatchObject({ code: "frozen" });
    await unfreeze(custody, owner, credential.id);
    expect(venue.inspections).toBe(asked);
    expect(await validate(custody, owner, credential.id)).toMatchObject({ is_valid: true });
  });

  test("a permission gained at the venue is shown, and does not end a credential that was taken before", async () => {
    const credential = await registered();
    venue.verdict = () => valid({ permissions: { withdraw: "yes" } });
    expect(await validate(custody, owner, credential.id)).toMatchObject({ is_valid: true, status: "active" });
    expect(await credential.now()).toMatchObject({ permissions: { withdraw: "yes" } });
  });
});

describe("a refusal of an active credential", () => {
  test("is a doubt first; the clock asks again after a minute, and a second refusal ends it", async () => {
    const credential = await registered();
    venue.verdict = () => badKey;
    expect(await validate(custody, owner, credential.id)).toMatchObject({
      is_valid: false,
      status: "active",
    });
    expect(await validate(custody, owner, credential.id), "within the minute").toMatchObject({
      status: "active",
    });
    expect(await checkDue(custody)).toEqual({ done: 0, failed: 0 });
    await letPass(61);
    expect(await checkDue(custody)).toEqual({ done: 1, failed: 0 });
    expect(await credential.now()).toMatchObject({
      status: "invalid",
      health: "unhealthy",
      health_message: badKey.message,
    });
    await expect(reveal(custody, owner, credential.id, "why")).rejects.toMatchObject({
      code: "illegal_state",
      facts: { reason: "invalid" },
    });
    expect(await checkDue(custody), "nothing is asked about it at once").toEqual({ done: 0, failed: 0 });
  });

  test("that has ended it is asked about again a day later, and it comes back by itself", async () => {
    const credential = await registered();
    venue.verdict = () => badKey;
    await validate(custody, owner, credential.id);
    await letPass(61);
    await checkDue(custody);
    expect(await credential.now()).toMatchObject({ status: "invalid" });
    const { next_check_at } = await healthOf(custody, owner, credential.id, 1);
    const hours = (Date.parse(next_check_at ?? "") - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(21);
    expect(hours).toBeLessThan(27);
    venue.verdict = () => valid();
    await makeDue(world);
    expect(await checkDue(custody)).toEqual({ done: 1, failed: 0 });
    expect(await credential.now()).toMatchObject({ status: "active", health: "healthy" });
    expect(await eventNames(custody.db, owner, credential.id)).toContain("credential.recovered");
  });

  test("is forgotten when the venue accepts the key again", async () => {
    const credential = await registered();
    venue.verdict = () => badKey;
    await validate(custody, owner, credential.id);
    await letPass(61);
    venue.verdict = () => valid();
    await checkDue(custody);
    expect(await credential.now()).toMatchObject({ status: "active", health: "healthy" });
    venue.verdict = () => badKey;
    expect(await validate(custody, owner, credential.id), "the doubt begins anew").toMatchObject({
      status: "active",
    });
  });

  test("of what may not be opened now is not asked about, and does not fill the record", async () => {
    const credential = await registered();
    venue.verdict = () => badKey;
    await validate(custody, owner, credential.id);
    await letPass(61);
    const unasked = async () => {
      const before = await eventNames(custody.db, owner);
      expect(await checkDue(custody)).toEqual({ done: 0, failed: 0 });
      expect(await eventNames(custody.db, owner)).toEqual(before);
    };
    await updateAccount(custody.db, owner, accountId, { active: false });
    await unasked();
    await updateAccount(custody.db, owner, accountId, { active: true });
    await freezeTenant(custody.db, owner, null);
    await unasked();
    await unfreezeTenant(custody.db, owner);
    expect(await checkDue(custody), "the control").toEqual({ done: 1, failed: 0 });
  });

  test("an ended credential comes back by a valid verdict alone", async () => {
    const credential = await registered();
    venue.verdict = () => badKey;
    await validate(custody, owner, credential.id);
    await letPass(61);
    await validate(custody, owner, credential.id);
    expect(await credential.now()).toMatchObject({ status: "invalid" });
    expect(await validate(custody, owner, credential.id)).toMatchObject({
      is_valid: false,
      status: "invalid",
    });
    venue.verdict = () => valid();
    expect(await validate(custody, owner, credential.id)).toMatchObject({ is_valid: true, status: "active" });
  });
});

describe("a deferred credential", () => {
  test("is kept without asking the venue, and cannot be used before it was asked", async () => {
    const credential = await deferred();
    expect(venue.inspections).toBe(0);
    expect(credential).toMatchObject({
      status: "pending",
      permissions: null,
      health: "unknown",
      last_validated_at: null,
    });
    const pending = { code: "illegal_state", facts: { reason: "pending" } };
    await expect(withSecret(custody, owner, credential, () => Promise.resolve())).rejects.toMatchObject(
      pending,
    );
    await expect(reveal(custody, owner, credential.id, "why")).rejects.toMatchObject(pending);
  });

  test("becomes active when it is validated by hand", async () => {
    const credential = await deferred();
    expect(await validate(custody, owner, credential.id)).toMatchObject({ is_valid: true, status: "active" });
    expect(await credential.now()).toMatchObject({ health: "healthy", permissions: { read: "yes" } });
    expect(await withSecret(custody, owner, credential, () => Promise.resolve(true))).toBe(true);
  });

  test("becomes active by the clock, as soon as the venue can be reached", async () => {
    const credential = await deferred();
    venue.verdict = () => ({ outcome: "venue_unavailable", message: "Scripted: away." });
    expect(await checkDue(custody)).toEqual({ done: 1, failed: 0 });
    expect(await credential.now()).toMatchObject({ status: "pending" });
    venue.verdict = () => valid();
    expect(await checkDue(custody), "not at once").toEqual({ done: 0, failed: 0 });
    await makeDue(world);
    await checkDue(custody);
    expect(await credential.now()).toMatchObject({ status: "active" });
  });

  test.each(refusals)(
    "becomes invalid where register would have been refused for good: $outcome $reason",
    async (verdict) => {
      const credential = await deferred();
      venue.verdict = () => verdict;
      await checkDue(custody);
      const indefinite: readonly Verdict["outcome"][] = [
        "clock_skew",
        "nonce",
        "rate_limited",
        "venue_unavailable",
        "timeout",
        "blocked",
        "unexpected_answer",
      ];
      const waits = verdict.outcome === "ambiguous" || indefinite.includes(verdict.outcome);
      const status = waits ? "pending" : "invalid";
      expect(await credential.now()).toMatchObject({ status });
      await revoke(custody, owner, credential.id);
    },
  );

  test("is not asked about while it is frozen", async () => {
    const credential = await deferred();
    await freeze(custody, owner, credential.id, null);
    expect(await checkDue(custody)).toEqual({ done: 0, failed: 0 });
    await unfreeze(custody, owner, credential.id);
    expect(await checkDue(custody), "the control").toEqual({ done: 1, failed: 0 });
  });

  test("does not get past the tenant's policy", async () => {
    const credential = await deferred();
    venue.verdict = () => valid({ permissions: { withdraw: "yes" } });
    expect(await validate(custody, owner, credential.id)).toMatchObject({
      is_valid: true,
      status: "invalid",
      message: expect.stringContaining("may withdraw"),
    });
    expect(await validate(custody, owner, credential.id), "nor at a second attempt").toMatchObject({
      status: "invalid",
    });
    await updatePolicy(custody.db, owner, { allow_withdraw: true });
    expect(await validate(custody, owner, credential.id)).toMatchObject({ status: "active" });
  });
});

describe("what happens while the venue is being asked", () => {
  /** The venue answers only after `meanwhile` has happened. */
  function during(verdict: Verdict, meanwhile: () => Promise<unknown>): void {
    venue.verdict = async () => {
      await meanwhile();
      return verdict;
    };
  }

  test("a switch-off by the owner stays", async () => {
    const credential = await registered();
    during(valid(), () => update(custody, owner, credential.id, 1, { active: false }));
    expect(await validate(custody, owner, credential.id)).toMatchObject({
      is_valid: true,
      status: "inactive",
    });
    expect(await credential.now()).toMatchObject({ status: "inactive" });
  });

  test("a revocation stays, and the verdict is still told", async () => {
    const credential = await registered();
    during(valid(), () => revoke(custody, owner, credential.id));
    expect(await validate(custody, owner, credential.id)).toMatchObject({
      is_valid: true,
      status: "revoked",
    });
    expect(await credential.now()).toMatchObject({ status: "revoked" });
  });

  test("a replaced secret is not judged by the verdict about the old one", async () => {
    const credential = await registered();
    venue.verdict = async () => {
      venue.verdict = () => valid();
      const sent = secretFields({ api_key: "key-2", api_secret: "secret-2" });
      await replace(custody, owner, credential.id, 1, sent);
      return badKey;
    };
    expect(await validate(custody, owner, credential.id)).toMatchObject({
      is_valid: false,
      status: "active",
    });
    expect(await credential.now()).toMatchObject({ health: "healthy", health_message: null, revision: 2 });
  });

  test("the owner's date stays when the venue tells a later one", async () => {
    const expiresAt = new Date(Date.now() + 60_000);
    const credential = await registered({ expiresAt });
    venue.verdict = () => valid({ expiresAt: "2100-01-01T00:00:00Z" });
    await validate(custody, owner, credential.id);
    expect(await credential.now()).toMatchObject({ expires_at: expiresAt.toISOString() });
  });
});
