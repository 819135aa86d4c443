import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { reconcile } from "../../src/credentials/destroy.ts";
import { expireDue } from "../../src/credentials/expiry.ts";
import { freeze } from "../../src/credentials/freeze.ts";
import { show } from "../../src/credentials/list.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { remove, revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import type { CallTarget } from "../../src/venues/venue.ts";
import { countRows, eventNames } from "../../testkit/record.ts";
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

async function registered(changes: Partial<Registration> = {}) {
  const fields = secretFields(first);
  return register(custody, owner, { accountId, venue: "scripted", environment: "live", fields, ...changes });
}

function readAll(fields: CallTarget["fields"]): Record<string, string> {
  return Object.fromEntries(
    [...fields].map(([name, secret]) => [name, secret.expose((bytes) => Buffer.from(bytes).toString())]),
  );
}

function secretOf(id: string): Promise<Record<string, string>> {
  return withSecret(custody, owner, { id }, (fields) => Promise.resolve(readAll(fields)));
}

async function versionsOf(id: string) {
  const rows = await world.database.owner
    .selectFrom("credential_versions")
    .select(["version", "state"])
    .where("credential_id", "=", id)
    .orderBy("version")
    .execute();
  const sealed = await world.database.owner
    .selectFrom("sealed_secrets")
    .select("version")
    .where("credential_id", "=", id)
    .orderBy("version")
    .execute();
  return {
    states: rows.map(({ version, state }) => `${version} ${state}`),
    sealed: sealed.map(({ version }) => version),
  };
}

describe("replacing a secret", () => {
  test("puts a valid one in the old one's place and destroys that", async () => {
    const { id } = await registered();
    const second = { api_key: "key-2", api_secret: "secret-2" };
    const replaced = await replace(custody, owner, id, 1, secretFields(second));
    expect(replaced).toMatchObject({ status: "active", revision: 2, secret: { version: 2 } });
    expect(await secretOf(id)).toEqual(second);
    expect(await versionsOf(id)).toEqual({ states: ["1 destroyed", "2 current"], sealed: [2] });
    expect(await countRows(world.database.owner)).toMatchObject({ intents: 0 });
  });

  test("merges a part with what is kept, asks the venue about the whole, and records the opening", async () => {
    const { id } = await registered();
    let asked = {};
    venue.verdict = ({ fields }) => {
      asked = readAll(fields);
      return valid();
    };
    await replace(custody, owner, id, 1, secretFields({ api_secret: "secret-2" }));
    const merged = { api_key: "key-1", api_secret: "secret-2" };
    expect(asked).toEqual(merged);
    expect(await secretOf(id)).toEqual(merged);
    expect(await eventNames(custody.db, owner, id)).toEqual([
      "credential.registered",
      "credential.used",
      "credential.secret_replaced",
      "credential.version_destroyed",
      "credential.used",
    ]);
  });

  test("leaves the caller's own fields to the caller", async () => {
    const { id } = await registered();
    const sent = secretFields({ api_key: "key-2", api_secret: "secret-2" });
    await replace(custody, owner, id, 1, sent);
    expect([...sent.values()].map(({ disposed }) => disposed)).toEqual([false, false]);
  });

  test.each([...refusals, valid({ permissions: { withdraw: "yes" } })])(
    "with one that is refused leaves the old one in force: $outcome $reason",
    async (verdict) => {
      const { id } = await registered();
      venue.verdict = () => verdict;
      const before = await show(custody, owner, id);
      const sent = secretFields({ api_secret: "secret-2" });
      await expect(replace(custody, owner, id, 1, sent)).rejects.toMatchObject({
        code: expect.stringMatching(/^(venue_|withdraw_refused)/),
      });
      expect(await show(custody, owner, id)).toEqual(before);
      expect(await secretOf(id)).toEqual(first);
      expect(await versionsOf(id)).toEqual({ states: ["1 current"], sealed: [1] });
    },
  );

  test("needs the revision that the caller has seen", async () => {
    const { id } = await registered();
    await update(custody, owner, id, 1, { label: "renamed" });
    const asked = venue.inspections;
    const sent = () => secretFields({ api_secret: "secret-2" });
    await expect(replace(custody, owner, id, 1, sent())).rejects.toMatchObject({
      code: "stale",
      status: 412,
      facts: { revision: 2 },
    });
    expect(venue.inspections, "the venue is not asked").toBe(asked);
    expect(await replace(custody, owner, id, 2, sent())).toMatchObject({ secret: { version: 2 } });
  });

  test("of what is revoked is an error of its state, of what is not there a miss", async () => {
    const { id } = await registered();
    await revoke(custody, owner, id);
    const sent = () => secretFields({ api_secret: "secret-2" });
    await expect(replace(custody, owner, id, 2, sent())).rejects.toMatchObject({ code: "illegal_state" });
    await remove(custody, owner, id);
    await expect(replace(custody, owner, id, 3, sent())).rejects.toMatchObject({ code: "not_found" });
  });

  test("of what is frozen opens nothing", async () => {
    const { id } = await registered();
    await freeze(custody, owner, id, null);
    const sent = secretFields({ api_secret: "secret-2" });
    await expect(replace(custody, owner, id, 2, sent)).rejects.toMatchObject({ code: "frozen" });
  });

  test("brings back what had expired, without the old secret's date, and leaves switched off what was", async () => {
    const expired = await registered({ expiresAt: new Date(Date.now() - 1000) });
    await expireDue(custody);
    const sent = () => secretFields({ api_key: "key-2", api_secret: "secret-2" });
    expect(await replace(custody, owner, expired.id, 2, sent())).toMatchObject({
      status: "active",
      expires_at: null,
    });

    const inactive = await registered({ label: "other" });
    await update(custody, owner, inactive.id, 1, { active: false });
    expect(await replace(custody, owner, inactive.id, 2, sent())).toMatchObject({ status: "inactive" });
  });
});

describe("replacing one secret ten times at once", () => {
  const attempt = (id: string, revision: number, n: number) =>
    replace(custody, owner, id, revision, secretFields({ api_key: `key-${n}`, api_secret: `secret-${n}` }));

  test("lets one through, and what it wrote is what is kept", async () => {
    const { id } = await registered();
    const all = await Promise.allSettled(Array.from({ length: 10 }, (_, n) => attempt(id, 1, n)));
    const won = all.flatMap((one, n) => (one.status === "fulfilled" ? [n] : []));
    expect(won).toHaveLength(1);
    for (const one of all) {
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "stale" });
    }
    expect(await secretOf(id)).toEqual({ api_key: `key-${won[0]}`, api_secret: `secret-${won[0]}` });
    const { states, sealed } = await versionsOf(id);
    expect(states).toHaveLength(2);
    expect(states[0]).toBe("1 destroyed");
    expect(sealed, "the losers' bytes are gone").toHaveLength(1);
    expect(states[1]).toBe(`${sealed[0]} current`);
    expect(await countRows(world.database.owner)).toMatchObject({ intents: 0 });
  });

  test("and again and again never loses the secret", async () => {
    const { id } = await registered();
    for (let round = 0; round < 5; round += 1) {
      const { revision } = await show(custody, owner, id);
      await Promise.allSettled(Array.from({ length: 4 }, (_, n) => attempt(id, revision, round * 10 + n)));
      const { api_key = "", api_secret = "" } = await secretOf(id);
      expect(api_secret).toBe(api_key.replace("key", "secret"));
    }
  });
});

describe("a writer that is slower than the reconciler", () => {
  /** The store, with something that happens before or after each write. */
  function storeWith(hooks: { before?: () => Promise<unknown>; after?: () => Promise<unknown> }): Custody {
    const { first: store } = custody.stores;
    const slow = {
      ...store,
      put: async (...given: Parameters<typeof store.put>) => {
        await hooks.before?.();
        const put = await store.put(...given);
        await hooks.after?.();
        return put;
      },
    };
    return { ...custody, stores: { ...custody.stores, first: slow } };
  }

  /** As if everything under way had begun three minutes ago. */
  async function age(): Promise<void> {
    const begun = new Date(Date.now() - 180_000);
    await world.database.owner.updateTable("intents").set({ created_at: begun }).execute();
  }

  async function ageAndReconcile(): Promise<void> {
    await age();
    await reconcile(custody);
  }

  test.each([
    ["before", { before: ageAndReconcile }],
    ["after", { after: ageAndReconcile }],
  ])("keeps nothing if that came %s it wrote, and the old secret stays in force", async (_, hooks) => {
    const { id } = await registered();
    const sent = secretFields({ api_key: "key-2", api_secret: "secret-2" });
    await expect(replace(storeWith(hooks), owner, id, 1, sent)).rejects.toMatchObject({
      code: "store_unavailable",
    });
    expect(await secretOf(id)).toEqual(first);
    expect(await versionsOf(id)).toEqual({ states: ["1 current"], sealed: [1] });
    expect(await countRows(world.database.owner)).toMatchObject({ intents: 0 });
    expect(await replace(custody, owner, id, 1, sent), "the next one gets a new number").toMatchObject({
      secret: { version: 3 },
    });
  });

  test("wins if it is activating that moment: what is current is not destroyed", async () => {
    const { id } = await registered();
    const release = Promise.withResolvers<undefined>();
    const holding = Promise.withResolvers<undefined>();
    // Holds the credential's row, so that the activation waits in the middle of its transaction.
    const hold = () =>
      world.database.owner.transaction().execute(async (tx) => {
        await tx.selectFrom("credentials").select("id").where("id", "=", id).forUpdate().execute();
        holding.resolve(undefined);
        await release.promise;
      });
    let blocker: Promise<void> | undefined;
    const after = async () => {
      await age();
      blocker = hold();
      await holding.promise;
    };
    const sent = secretFields({ api_key: "key-2", api_secret: "secret-2" });
    const replacing = replace(storeWith({ after }), owner, id, 1, sent);
    await waitUntilBlocked(1);
    const reconciling = reconcile(custody);
    await waitUntilBlocked(2);
    release.resolve(undefined);
    await Promise.all([blocker, replacing, reconciling]);
    expect(await secretOf(id)).toEqual({ api_key: "key-2", api_secret: "secret-2" });
    expect(await versionsOf(id)).toEqual({ states: ["1 destroyed", "2 current"], sealed: [2] });
  });

  /** Until so many connections of this database wait for a lock. */
  async function waitUntilBlocked(count: number): Promise<void> {
    for (;;) {
      const { rows } = await world.database.ownerPool.query(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
      );
      if (rows.length >= count) return;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
});
