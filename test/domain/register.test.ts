import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { list, show } from "../../src/credentials/list.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { updatePolicy } from "../../src/tenants/tenant.ts";
import type { Verdict } from "../../src/venues/verdict.ts";
import { countRows, eventsOf } from "../../testkit/record.ts";
import { refusals, ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let accountId: string;
let venue: ScriptedVenue;
let custody: Custody;
let labels = 0;

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

function registration(changes: Partial<Registration> = {}): Registration {
  labels += 1;
  const fields = secretFields({ api_key: `key-${labels}`, api_secret: `secret-${labels}` });
  return { accountId, venue: "scripted", environment: "live", label: `label-${labels}`, fields, ...changes };
}

/** Runs what must fail, and holds the whole database against what it was before. */
async function failing(work: () => Promise<unknown>, error: object): Promise<Record<string, number>> {
  const before = await countRows(world.database.owner);
  await expect(work()).rejects.toMatchObject(error);
  const after = await countRows(world.database.owner);
  const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
  return Object.fromEntries(changed.map((name) => [name, (after[name] ?? 0) - (before[name] ?? 0)]));
}

const codes: Readonly<Record<Exclude<Verdict["outcome"], "valid">, string>> = {
  rejected: "venue_rejected",
  ambiguous: "venue_ambiguous",
  insufficient_permission: "venue_permission",
  ip_not_allowed: "venue_ip",
  clock_skew: "venue_unavailable",
  nonce: "venue_unavailable",
  rate_limited: "venue_unavailable",
  venue_unavailable: "venue_unavailable",
  timeout: "venue_unavailable",
  blocked: "venue_unavailable",
  unexpected_answer: "venue_unavailable",
  unproven: "venue_unproven",
};

describe("a credential that is registered", () => {
  test("is kept sealed, with what the venue told, after one inspection", async () => {
    venue.verdict = () =>
      valid({ permissions: { boundIps: ["192.0.2.7"] }, account: { id: "7", status: "ok" } });
    const credential = await register(custody, owner, registration({ label: "main" }));
    expect(credential).toMatchObject({
      status: "active",
      health: "healthy",
      label: "main",
      revision: 1,
      permissions: { read: "yes", withdraw: "no", bound_ips: ["192.0.2.7"], unknown_words: [] },
      account: { id: "7", status: "ok" },
      policy: { allow: ["read"], reveal: false },
      secret: { store: "postgres", version: 1 },
    });
    expect(await show(custody, owner, credential.id)).toEqual(credential);
    expect(venue.inspections).toBe(1);
    expect(await countRows(world.database.owner)).toMatchObject({ intents: 0 });
  });

  test("takes the earlier of its owner's date and the venue's", async () => {
    venue.verdict = () => valid({ expiresAt: "2100-01-01T00:00:00.000Z" });
    const expiry = async (expiresAt?: Date) =>
      (await register(custody, owner, registration(expiresAt === undefined ? {} : { expiresAt }))).expires_at;
    expect(await expiry()).toBe("2100-01-01T00:00:00.000Z");
    expect(await expiry(new Date("2099-01-01"))).toBe("2099-01-01T00:00:00.000Z");
    expect(await expiry(new Date("2101-01-01"))).toBe("2100-01-01T00:00:00.000Z");
    venue.verdict = () => valid();
    expect(await expiry(new Date("2101-01-01"))).toBe("2101-01-01T00:00:00.000Z");
    expect(await expiry()).toBeNull();
  });

  test("is kept under the venue's own name, whatever it was asked for by", async () => {
    const massive = new ScriptedVenue({ id: "massive", fields: ["api_key"], environments: ["live"] });
    const former: Custody = {
      ...massive.in(world.custody),
      venues: { ...world.custody.venues, get: (name) => (name === "polygon" ? massive : undefined) },
    };
    const fields = secretFields({ api_key: "key" });
    const credential = await register(former, owner, registration({ venue: "polygon", fields }));
    expect(credential.venue).toBe("massive");
    const { items } = await list(former, owner, { venue: "polygon" }, { limit: 50, after: null });
    expect(items).toEqual([credential]);
    const purpose = { accountId, venue: "polygon", environment: "live", label: credential.label } as const;
    expect(await withSecret(former, owner, purpose, (found) => Promise.resolve(found.size))).toBe(1);
    expect(world.custody.venues.get("polygon")?.description.id, "as the registry has it").toBe("massive");
  });
});

describe("a credential that the venue does not accept", () => {
  test.each(refusals)("is not kept: $outcome $reason", async (verdict) => {
    venue.verdict = () => verdict;
    const changed = await failing(() => register(custody, owner, registration()), {
      code: codes[verdict.outcome],
      detail: expect.stringContaining(verdict.message),
      facts: {
        outcome: verdict.outcome,
        ...(verdict.outcome === "rejected" ? { reason: verdict.reason } : {}),
        ...(verdict.outcome === "ambiguous" ? { possible_causes: verdict.causes } : {}),
      },
    });
    expect(changed, "one event, and nothing else in any table").toEqual({ "audit.links": 1 });
    expect(venue.inspections).toBe(1);
    const event = (await eventsOf(custody.db, owner)).at(-1);
    expect(event).toMatchObject({
      event: "credential.refused_at_register",
      outcome: verdict.outcome,
      detail: {
        venue: "scripted",
        environment: "live",
        account_id: accountId,
        reason: codes[verdict.outcome],
      },
    });
  });

  test("the control: the same check sees what a registration keeps", async () => {
    const before = await countRows(world.database.owner);
    await register(custody, owner, registration());
    const after = await countRows(world.database.owner);
    for (const name of ["credentials", "credential_versions", "sealed_secrets", "data_keys"]) {
      expect(after[name], name).toBe((before[name] ?? 0) + 1);
    }
  });
});

describe("what a key may do", () => {
  test.each([
    ["withdraw", valid({ permissions: { withdraw: "yes" } })],
    [
      "something with a name that Keyhold does not know",
      valid({ permissions: { unknownWords: ["teleport"] } }),
    ],
  ])("a key that may %s is refused unless the tenant allows it", async (_, verdict) => {
    venue.verdict = () => verdict;
    const changed = await failing(() => register(custody, owner, registration()), {
      code: "withdraw_refused",
    });
    expect(changed).toEqual({ "audit.links": 1 });
    await updatePolicy(custody.db, owner, { allow_withdraw: true });
    expect(await register(custody, owner, registration())).toMatchObject({ status: "active" });
  });

  test("what the venue cannot tell is kept as unknown, and refused only where the tenant says so", async () => {
    venue.verdict = () => valid({ permissions: { trade: "unknown", withdraw: "unknown" } });
    const credential = await register(custody, owner, registration());
    expect(credential.permissions).toMatchObject({ read: "yes", trade: "unknown", withdraw: "unknown" });
    await updatePolicy(custody.db, owner, { allow_unknown_permissions: false });
    const changed = await failing(() => register(custody, owner, registration()), {
      code: "permissions_unknown",
      facts: { unknown: ["trade", "withdraw"] },
    });
    expect(changed).toEqual({ "audit.links": 1 });
  });
});

describe("what cannot be registered at all", () => {
  test.each<[string, () => Partial<Registration>, string]>([
    ["an unknown venue", () => ({ venue: "nowhere" }), "malformed"],
    ["an environment that the venue has not", () => ({ environment: "testnet" }), "malformed"],
    ["a missing field", () => ({ fields: secretFields({ api_key: "key" }) }), "malformed"],
    ["a line break", () => ({ fields: secretFields({ api_key: "k", api_secret: "a\nb" }) }), "malformed"],
    ["an account that there is not", () => ({ accountId: crypto.randomUUID() }), "not_found"],
    ["a deferred validation without permission", () => ({ validation: "deferred" }), "policy_forbids"],
  ])("%s is refused before the venue is asked", async (_, changes, code) => {
    await failing(() => register(custody, owner, registration(changes())), { code });
    expect(venue.inspections).toBe(0);
  });

  test("what belongs to another tenant is a missing thing, and to another member a forbidden one", async () => {
    const stranger = (await world.createTenant()).owner;
    await expect(register(custody, stranger, registration())).rejects.toMatchObject({
      code: "not_found",
      detail: "There is no such account.",
    });
    const trader = await tenant.addMember("trader");
    await expect(register(custody, trader, registration())).rejects.toMatchObject({ code: "forbidden" });
    expect(venue.inspections).toBe(0);
    expect((await eventsOf(custody.db, owner)).at(-1)).toMatchObject({
      event: "access.refused",
      outcome: "forbidden",
      detail: { kind: "account", id: accountId, action: "register", actor: { member_id: trader.memberId } },
    });
    expect((await eventsOf(custody.db, stranger)).at(-1)).toMatchObject({
      event: "access.refused",
      outcome: "absent",
    });
  });

  test("without the scope nothing is asked", async () => {
    const viewer = await tenant.addMember("viewer");
    await expect(register(custody, viewer, registration())).rejects.toMatchObject({
      code: "forbidden",
      facts: { required_scope: "credentials:write" },
    });
    expect(venue.inspections).toBe(0);
  });
});

describe("a second credential of the same label", () => {
  test("is a duplicate that names the first, and is free again once that is revoked", async () => {
    const first = await register(custody, owner, registration({ label: "one" }));
    const changed = await failing(() => register(custody, owner, registration({ label: "one" })), {
      code: "duplicate",
      facts: { credential_id: first.id },
    });
    expect(changed).toEqual({});
    expect(venue.inspections, "the venue is not asked about it").toBe(1);
    expect(await register(custody, owner, registration({ label: "two" }))).toMatchObject({ label: "two" });
    expect(
      await register(custody, owner, registration({ label: "one", environment: "paper" })),
    ).toBeDefined();
  });

  test("of twenty at once, one is kept and nineteen are duplicates that leave nothing", async () => {
    const before = await countRows(world.database.owner);
    const label = "contested";
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, () => register(custody, owner, registration({ label }))),
    );
    const kept = all.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const errors = all.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(kept).toHaveLength(1);
    expect(errors.map((error: unknown) => error)).toEqual(
      Array.from({ length: 19 }, () => expect.objectContaining({ code: "duplicate" })),
    );
    const after = await countRows(world.database.owner);
    for (const [name, more] of Object.entries({
      credentials: 1,
      credential_versions: 1,
      sealed_secrets: 1,
      intents: 0,
    })) {
      expect(after[name], name).toBe((before[name] ?? 0) + more);
    }
    expect((await list(custody, owner, { label }, { limit: 50, after: null })).items).toEqual(kept);
  });
});
