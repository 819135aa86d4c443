import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Member, system } from "../../src/access/principal.ts";
import { verifyChain } from "../../src/audit/chain.ts";
import {
  type Disclosure,
  type DisclosureRequest,
  Disclosures,
  type Need,
} from "../../src/audit/disclosures.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { freeze, unfreeze } from "../../src/credentials/freeze.ts";
import { register } from "../../src/credentials/register.ts";
import { remove, revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { updateAccount } from "../../src/tenants/account.ts";
import { createApiKey, revokeApiKey } from "../../src/tenants/api-key.ts";
import { updateMember } from "../../src/tenants/member.ts";
import { freezeTenant, resumeTenant, suspendTenant, unfreezeTenant } from "../../src/tenants/tenant.ts";
import { eventsOf, exportLines } from "../../testkit/record.ts";
import { forge } from "../../testkit/rights.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let accountId: string;
let custody: Custody;
let id: string;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
  custody = new ScriptedVenue().in(world.custody);
  id = await registered("default");
});

async function registered(label: string, expiresAt: Date | null = null): Promise<string> {
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const input = { accountId, venue: "scripted", environment: "live", label, fields, expiresAt } as const;
  return (await register(custody, owner, input)).id;
}

type Asked = Readonly<{ who?: Member; id?: string; need?: Need; revision?: number }>;

function request({
  who = owner,
  id: credentialId = id,
  need = "use",
  revision,
}: Asked = {}): DisclosureRequest {
  const event = { event: "credential.used", detail: { purpose: "scope" } } as const;
  return { principal: who, credentialId, need, revision: revision ?? null, ...event };
}

const append = (asked?: Asked): Promise<Disclosure> => custody.disclosures.append(request(asked));
const outcome = async (asked?: Asked): Promise<string> => (await append(asked)).outcome;

describe("what is granted", () => {
  test("comes with the facts of the credential and its sealed bytes", async () => {
    const { sealed, ...facts } = await append().then((granted) => ({ sealed: null, ...granted }));
    expect(facts).toEqual({
      outcome: "ok",
      revision: 1,
      version: 1,
      venue: "scripted",
      environment: "live",
      store: "postgres",
      ownerId: owner.memberId,
    });
    expect(
      Buffer.from(sealed ?? [])
        .subarray(0, 4)
        .toString(),
    ).toBe("KHRC");
  });

  test("follows need and policy", async () => {
    const granted = async () => {
      const needs = [
        "use",
        "validate",
        "activate",
        "read",
        "trade",
        "transfer",
        "withdraw",
        "reveal",
      ] as const;
      const answers = await Promise.all(needs.map((need) => outcome({ need })));
      return needs.filter((_, n) => answers[n] === "ok");
    };
    expect(await granted()).toEqual(["use", "validate", "activate", "read"]);
    await update(custody, owner, id, 1, { policy: { allow: ["trade", "withdraw"], reveal: true } });
    expect(await granted()).toEqual(["use", "validate", "activate", "trade", "withdraw", "reveal"]);
    await update(custody, owner, id, 2, { active: false });
    expect(await granted()).toEqual(["activate"]);
  });
});

describe("what changes is in force at the next disclosure", () => {
  test("the credential's revision", async () => {
    expect(await outcome({ revision: 1 })).toBe("ok");
    await update(custody, owner, id, 1, { label: "renamed" });
    expect(await outcome({ revision: 1 })).toBe("changed");
    expect(await outcome({ revision: 2 })).toBe("ok");
  });

  test("the member's role and state", async () => {
    const admin = await tenant.addMember("admin");
    expect(await outcome({ who: admin })).toBe("ok");
    await updateMember(custody.db, owner, admin.memberId, { role: "auditor" });
    expect(await outcome({ who: admin })).toBe("principal_changed");
    await updateMember(custody.db, owner, admin.memberId, { role: "admin", status: "suspended" });
    expect(await outcome({ who: admin })).toBe("member_inactive");
    expect(await outcome({ who: { ...admin, memberId: crypto.randomUUID() } }), "who is no member").toBe(
      "member_inactive",
    );
  });

  test("the API key's state and date", async () => {
    const name = { name: "desk", scopes: ["credentials:use"] } as const;
    const apiKey = await createApiKey(custody.db, owner, name);
    const who: Member = { ...owner, apiKeyId: apiKey.id };
    expect(await outcome({ who })).toBe("ok");
    const admin = await tenant.addMember("admin");
    expect(await outcome({ who: { ...admin, apiKeyId: apiKey.id } }), "another's key").toBe(
      "api_key_inactive",
    );
    const row = { kind: "api_keys", tenantId: tenant.id, id: apiKey.id } as const;
    await forge(world, row, sql`update api_keys set expires_at = clock_timestamp() where id = ${apiKey.id}`);
    expect(await outcome({ who })).toBe("api_key_inactive");
    const later = sql`update api_keys set expires_at = now() + interval '1 day' where id = ${apiKey.id}`;
    await forge(world, row, later);
    expect(await outcome({ who })).toBe("ok");
    await revokeApiKey(custody.db, owner, apiKey.id);
    expect(await outcome({ who })).toBe("api_key_inactive");
  });

  test("the tenant's state", async () => {
    await suspendTenant(custody.db, world.operator, tenant.id);
    expect(await outcome()).toBe("tenant_inactive");
    await resumeTenant(custody.db, world.operator, tenant.id);
    await freezeTenant(custody.db, owner, null);
    expect(await outcome()).toBe("frozen");
    await unfreezeTenant(custody.db, owner);
    expect(await outcome()).toBe("ok");
  });

  test("the account's state", async () => {
    await updateAccount(custody.db, owner, accountId, { active: false });
    expect(await outcome()).toBe("inactive");
    expect(await outcome({ need: "activate" }), "an account is not switched on by a credential").toBe(
      "inactive",
    );
  });

  test("the credential's own state and date", async () => {
    const dated = await registered("dated", new Date(Date.now() + 3_600_000));
    expect(await outcome({ id: dated })).toBe("ok");
    await forge(
      world,
      { kind: "credentials", tenantId: tenant.id, id: dated },
      sql`update credentials set owner_expires_at = clock_timestamp() where id = ${dated}`,
    );
    expect(await outcome({ id: dated })).toBe("expired");
    expect(await outcome({ id: dated, need: "validate" })).toBe("ok");
    await freeze(custody, owner, id, null);
    expect(await outcome()).toBe("frozen");
    await unfreeze(custody, owner, id);
    expect(await outcome()).toBe("ok");
    await revoke(custody, owner, id);
    expect(await outcome()).toBe("revoked");
    await remove(custody, owner, id);
    expect(await outcome()).toBe("absent");
  });

  test("that commits while a disclosure waits for it", async () => {
    const release = Promise.withResolvers<undefined>();
    const held = Promise.withResolvers<undefined>();
    // A freeze, up to the moment before its commit.
    const row = { kind: "credentials", tenantId: tenant.id, id } as const;
    const freeze = sql`update credentials set frozen_at = now() where id = ${id}`;
    const freezing = forge(world, row, freeze, async (tx) => {
      await sql`select from audit.heads where tenant_id = ${tenant.id} for update`.execute(tx);
      held.resolve(undefined);
      await release.promise;
    });
    await held.promise;
    const waiting = outcome();
    while ((await blocked()) === 0) await Promise.resolve();
    release.resolve(undefined);
    await freezing;
    expect(await waiting).toBe("frozen");
  });

  async function blocked(): Promise<number> {
    const { rows } = await world.database.ownerPool.query(
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
    );
    return rows.length;
  }
});

describe("who may not", () => {
  test("another member of reach own is forbidden, another tenant finds nothing", async () => {
    const trader = await tenant.addMember("trader");
    expect(await outcome({ who: trader })).toBe("forbidden");
    const stranger = (await world.createTenant()).owner;
    expect(await outcome({ who: stranger })).toBe("absent");
    const posing: Member = { ...owner, tenantId: stranger.tenantId };
    expect(await outcome({ who: posing }), "a member of one tenant is none of another").toBe(
      "member_inactive",
    );
  });

  test("is recorded with the reason, as a use that is granted is", async () => {
    const trader = await tenant.addMember("trader");
    await append({ who: trader });
    await append();
    expect((await eventsOf(custody.db, owner)).slice(-2)).toMatchObject([
      {
        event: "credential.refused",
        outcome: "forbidden",
        detail: { actor: { member_id: trader.memberId }, credential_id: id },
      },
      {
        event: "credential.used",
        outcome: "ok",
        detail: { actor: { member_id: owner.memberId }, credential_id: id },
      },
    ]);
  });
});

describe("a group", () => {
  /** Requests that arrive together, so that they make one group. */
  async function together(requests: readonly DisclosureRequest[]) {
    const sizes: number[] = [];
    const disclosures = new Disclosures(world.database.appPool, world.prove, {
      onGroup: (size) => sizes.push(size),
    });
    const answers = await Promise.all(requests.map((one) => disclosures.append(one)));
    expect(sizes).toEqual([requests.length]);
    return answers;
  }

  test("answers row by row: a refusal is one request's, not the group's, and each gets its own secret", async () => {
    const other = await registered("other");
    const foreign = await world.createTenant();
    const trader = await tenant.addMember("trader");
    const answers = await together([
      request(),
      request({ who: trader }),
      request({ id: crypto.randomUUID() }),
      request({ id: other }),
      request({ who: foreign.owner }),
      request({ revision: 9 }),
      { ...request(), principal: system(tenant.id, "task") },
      request(),
    ]);
    expect(answers.map(({ outcome }) => outcome)).toEqual([
      "ok",
      "forbidden",
      "absent",
      "ok",
      "absent",
      "changed",
      "ok",
      "ok",
    ]);
    const sealed = answers.map((answer) =>
      answer.outcome === "ok" ? Buffer.from(answer.sealed ?? []).toString("hex") : "",
    );
    expect(new Set([sealed[0], sealed[6], sealed[7]]).size, "the same credential").toBe(1);
    expect(sealed[3]).not.toBe(sealed[0]);
    for (const { owner } of [tenant, foreign]) {
      expect(await verifyChain(await exportLines(custody.db, owner))).toMatchObject({ intact: true });
    }
    const events = (await eventsOf(custody.db, owner)).slice(-7);
    expect(events.map(({ outcome }) => outcome)).toEqual([
      "ok",
      "forbidden",
      "absent",
      "ok",
      "changed",
      "ok",
      "ok",
    ]);
    expect(new Set(events.map(({ at }) => at)).size, "one link, one time").toBe(1);
  });

  test("of many tenants leaves one link in each chain", async () => {
    const tenants = await Promise.all(Array.from({ length: 5 }, () => world.createTenant()));
    const links = async () => {
      const { rows } = await sql<{ n: number }>`select count(*)::integer as n from audit.links`.execute(
        world.database.owner,
      );
      return rows[0]?.n ?? 0;
    };
    const before = await links();
    await together(tenants.flatMap(({ owner }) => [request({ who: owner }), request({ who: owner })]));
    expect(await links()).toBe(before + tenants.length);
  });

  test("gathers while the one before it is being committed", async () => {
    const sizes: number[] = [];
    const late: Promise<unknown>[] = [];
    const disclosures = new Disclosures(world.database.appPool, world.prove, {
      onGroup(size) {
        sizes.push(size);
        if (sizes.length === 1) late.push(...[1, 2, 3].map(() => disclosures.append(request())));
      },
    });
    await disclosures.append(request());
    await Promise.all(late);
    expect(sizes).toEqual([1, 3]);
  });

  test("is on its way before the secrets of the one before it are opened", async () => {
    const order: string[] = [];
    const late: Promise<unknown>[] = [];
    const disclosures = new Disclosures(world.database.appPool, world.prove, {
      onGroup() {
        order.push("committing");
        if (order.length === 1) late.push(disclosures.append(request()));
      },
    });
    await disclosures.append(request()).then(() => order.push("answered"));
    await Promise.all(late);
    expect(order).toEqual(["committing", "committing", "answered"]);
  });

  test("that is empty of tenants that exist is answered and leaves no link", async () => {
    const nobody = { ...request(), principal: system(crypto.randomUUID(), "task") };
    const disclosures = new Disclosures(world.database.appPool, world.prove);
    expect(await disclosures.append(nobody)).toEqual({ outcome: "tenant_inactive" });
    const { rows } =
      await sql`select from audit.links where tenant_id = ${nobody.principal.tenantId}`.execute(
        world.database.owner,
      );
    expect(rows).toEqual([]);
  });

  test("is not spoilt by an id that is none", async () => {
    const disclosures = new Disclosures(world.database.appPool, world.prove);
    const answers = await Promise.allSettled([
      disclosures.append(request()),
      disclosures.append(request({ id: "nonsense" })),
      disclosures.append(request()),
    ]);
    expect(answers.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });
});

describe("what callers write into the record", () => {
  test.each([
    ["NUL", "a\0b", "a\u{FFFD}b"],
    ["half a surrogate pair", "a\uD800b", "a\u{FFFD}b"],
    ["a line separator", "a\u2028b\u2029c", "a\u{FFFD}b\u{FFFD}c"],
    ["line feeds", "a\nb\r\nc", "a\nb\r\nc"],
    ["quotes and braces", '"},{"event":"x"', '"},{"event":"x"'],
    ["an emoji", "\u{1F4BB}", "\u{1F4BB}"],
  ])("keeps it readable: %s", async (_, reason, kept) => {
    await freeze(custody, owner, id, reason);
    expect((await eventsOf(custody.db, owner)).at(-1)).toMatchObject({
      event: "credential.frozen",
      detail: { reason: kept },
    });
    const lines = await exportLines(custody.db, owner);
    expect(await verifyChain(lines.join("\n").split(/\r?\n|\r|\u2028|\u2029/))).toMatchObject({
      intact: true,
    });
  });
});
