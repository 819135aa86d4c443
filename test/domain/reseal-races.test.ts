import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { StoreName } from "../../src/config/stores.ts";
import { reconcile } from "../../src/credentials/destroy.ts";
import { freeze } from "../../src/credentials/freeze.ts";
import { show } from "../../src/credentials/list.ts";
import { replace } from "../../src/credentials/replace.ts";
import { reseal } from "../../src/credentials/reseal.ts";
import { remove, revoke } from "../../src/credentials/revoke.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { createStores } from "../../src/stores/open.ts";
import type { Store } from "../../src/stores/store.ts";
import { rotateDataKey } from "../../src/tenants/data-key.ts";
import { countRows, eventsOf } from "../../testkit/record.ts";
import { secretFields } from "../../testkit/world.ts";
import { createResealWorld, plain, refOf, type ResealTenant, type ResealWorld } from "./reseal-fixture.ts";

let world: ResealWorld;
let at: ResealTenant;

beforeAll(async () => {
  world = await createResealWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  at = await world.openTenant();
});

/** A store where something happens once, before or after one of its operations. */
function interrupted(
  store: Store,
  hooks: Readonly<{ beforeGet?: () => Promise<unknown>; afterPut?: () => Promise<unknown> }>,
): Store {
  const left = { ...hooks };
  const once = async (hook: "beforeGet" | "afterPut"): Promise<void> => {
    const work = left[hook];
    delete left[hook];
    await work?.();
  };
  return {
    ...store,
    async put(...given) {
      const answer = await store.put(...given);
      await once("afterPut");
      return answer;
    },
    async get(...given) {
      await once("beforeGet");
      return store.get(...given);
    },
  };
}

/** Versions in force, sealed bytes in either store, and intents, of everything there is. */
async function left(id: string) {
  const versions = await world.database.owner
    .selectFrom("credential_versions")
    .select(["version", "state"])
    .where("credential_id", "=", id)
    .orderBy("version")
    .execute();
  const numbers = Array.from({ length: 6 }, (_, index) => index + 1);
  const held = async (store: StoreName) => {
    const kept = await Promise.all(numbers.map((version) => at.keptIn(store, id, version)));
    return numbers.filter((_, index) => kept[index] !== "absent");
  };
  const { intents } = await countRows(world.database.owner);
  return {
    current: versions.flatMap(({ version, state }) => (state === "current" ? [version] : [])),
    postgres: await held("postgres"),
    file: await held("file"),
    intents,
  };
}

describe("whoever changes a credential while it is resealed", () => {
  const next = { api_key: "next-key", api_secret: "next-secret" };
  const replaceBy = async (id: string, by = at.custody) => {
    const { revision } = await show(at.custody, at.owner, id);
    return replace(by, at.owner, id, revision, secretFields(next));
  };

  test("by replacing it wins: the new secret stays, and what was being written is gone", async () => {
    const { id } = await at.registered();
    const to = interrupted(world.files, { afterPut: () => replaceBy(id) });
    await expect(reseal(at.custody, at.tenant.id, id, to)).rejects.toMatchObject({ code: "stale" });
    expect(await at.secretOf(id)).toEqual(next);
    expect(await left(id)).toEqual({ current: [3], postgres: [3], file: [], intents: 0 });
  });

  test("by replacing it too late is told so, and can do it again", async () => {
    const { id } = await at.registered();
    const store = interrupted(world.postgres, {
      afterPut: () => reseal(at.custody, at.tenant.id, id, world.files),
    });
    const stores = createStores(store, world.files);
    await expect(replaceBy(id, { ...at.custody, stores })).rejects.toMatchObject({
      code: "stale",
      facts: { revision: 2 },
    });
    expect(await at.secretOf(id)).toEqual(plain);
    expect(await left(id)).toEqual({ current: [3], postgres: [], file: [3], intents: 0 });
    await replaceBy(id);
    expect(await at.secretOf(id)).toEqual(next);
    expect(await left(id)).toEqual({ current: [4], postgres: [4], file: [], intents: 0 });
  });

  test.each([
    ["revoking", "revoked", (id: string) => revoke(at.custody, at.owner, id)],
    ["deleting", "gone", (id: string) => remove(at.custody, at.owner, id)],
  ])("by %s it wins, and nothing of the secret is left", async (_, status, end) => {
    const { id } = await at.registered();
    const to = interrupted(world.files, { afterPut: () => end(id) });
    await expect(reseal(at.custody, at.tenant.id, id, to)).rejects.toThrow();
    expect(await left(id)).toEqual({ current: [], postgres: [], file: [], intents: 0 });
    const found = await show(at.custody, at.owner, id).catch(() => ({ status: "gone" }));
    expect(found.status).toBe(status);
  });

  test("by freezing it wins: it stays frozen, and is resealed the next time", async () => {
    const { id } = await at.registered();
    const to = interrupted(world.files, { afterPut: () => freeze(at.custody, at.owner, id, "a drill") });
    await expect(reseal(at.custody, at.tenant.id, id, to)).rejects.toMatchObject({ code: "stale" });
    await reseal(at.custody, at.tenant.id, id, world.files);
    expect(await show(at.custody, at.owner, id)).toMatchObject({
      frozen: true,
      secret: { store: "file", version: 3 },
    });
    expect(await left(id)).toEqual({ current: [3], postgres: [], file: [3], intents: 0 });
  });

  test("by resealing it too: one of them wins, and the other removes its own bytes alone", async () => {
    const { id } = await at.registered();
    const all = await Promise.allSettled([
      reseal(at.custody, at.tenant.id, id, world.files),
      reseal(at.custody, at.tenant.id, id, world.files),
      reseal(at.custody, at.tenant.id, id),
    ]);
    for (const one of all) if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "stale" });
    expect(all.map(({ status }) => status)).toContain("fulfilled");
    const { current, postgres, file, intents } = await left(id);
    expect([...postgres, ...file]).toEqual(current);
    expect(intents).toBe(0);
    expect(await at.secretOf(id)).toEqual(plain);
  });

  test("does no harm by a store that takes nothing back: the old version goes when it can", async () => {
    const { id } = await at.registered();
    const away = {
      ...world.postgres,
      destroy: async () => ({ outcome: "unavailable", reason: "timeout" }) as const,
    };
    await reseal({ ...at.custody, stores: createStores(away, world.files) }, at.tenant.id, id, world.files);
    expect(await at.secretOf(id)).toEqual(plain);
    expect(await left(id)).toEqual({ current: [2], postgres: [1], file: [2], intents: 1 });
    await world.database.owner
      .updateTable("intents")
      .set({ created_at: new Date(Date.now() - 180_000) })
      .execute();
    expect(await reconcile(at.custody)).toEqual({ done: 1, failed: 0 });
    expect(await left(id)).toEqual({ current: [2], postgres: [], file: [2], intents: 0 });
  });
});

describe("retrievals while credentials are resealed", () => {
  test("that were recorded before it and read the store after it get the secret all the same", async () => {
    const { id } = await at.registered({}, at.migrated);
    const slow = interrupted(world.files, { beforeGet: () => reseal(at.custody, at.tenant.id, id) });
    const stores = createStores(slow, world.postgres);
    const read = await withSecret({ ...at.custody, stores }, at.owner, { id }, (fields) =>
      Promise.resolve(fields.size),
    );
    expect(read).toBe(2);
    const used = (await eventsOf(at.custody.db, at.owner, id)).filter(
      ({ event }) => event === "credential.used",
    );
    expect(
      used.map(({ detail }) => detail),
      "each look into a version has its record",
    ).toEqual([
      expect.objectContaining({ purpose: "scope" }),
      expect.objectContaining({ purpose: "reseal" }),
      expect.objectContaining({ purpose: "scope" }),
    ]);
  });

  test("that find a version missing which is in force say so at once, with one record", async () => {
    const { id } = await at.registered({}, at.migrated);
    await world.files.destroy(refOf(at.tenant.id, id, 1));
    await expect(at.secretOf(id)).rejects.toMatchObject({ code: "secret_lost" });
    const used = (await eventsOf(at.custody.db, at.owner, id)).filter(
      ({ event }) => event === "credential.used",
    );
    expect(used).toHaveLength(1);
  });

  async function registeredMany(count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let n = 0; n < count; n += 1)
      ids.push((await at.registered({ label: `desk ${n}` }, at.migrated)).id);
    return ids;
  }

  /** Reads all of them again and again until `work` ends; answers how often, and what was not the secret. */
  async function readingDuring(ids: readonly string[], work: (aRound: () => Promise<void>) => Promise<void>) {
    const wrong = new Set<string>();
    const rounds = [0, 0, 0];
    const over = new AbortController();
    const reader = async (_: number, place: number): Promise<void> => {
      while (!over.signal.aborted) {
        for (const id of ids) {
          const read = await at.secretOf(id).catch(String);
          if (JSON.stringify(read) !== JSON.stringify(plain)) wrong.add(JSON.stringify(read));
        }
        rounds[place] = (rounds[place] ?? 0) + 1;
      }
    };
    const aRound = async (): Promise<void> => {
      const until = rounds.map((round) => round + 2);
      while (rounds.some((round, place) => round < (until[place] ?? 0))) await sleep(5);
    };
    const readers = rounds.map(reader);
    await work(aRound).finally(() => over.abort());
    await Promise.all(readers);
    return { retrievals: rounds.reduce((sum, round) => sum + round * ids.length, 0), wrong: [...wrong] };
  }

  test("never fail and never give anything else, through data keys and stores and back", async () => {
    const ids = await registeredMany(4);
    const { retrievals, wrong } = await readingDuring(ids, async (aRound) => {
      for (const to of [world.files, world.postgres, world.files]) {
        await rotateDataKey(at.custody, { tenantId: at.tenant.id, id: await at.sealingKey() });
        for (const id of ids) await reseal(at.custody, at.tenant.id, id, to);
        await aRound();
      }
    });
    expect(wrong).toEqual([]);
    expect(retrievals).toBeGreaterThan(3 * 3 * ids.length);
    for (const id of ids)
      expect(await show(at.custody, at.owner, id)).toMatchObject({ secret: { store: "file", version: 4 } });
  });

  test("the control: they do fail where the old version goes before the new one is in force", async () => {
    const ids = await registeredMany(2);
    const { wrong } = await readingDuring(ids, async (aRound) => {
      for (const id of ids) {
        await world.files.destroy(refOf(at.tenant.id, id, 1));
        await aRound();
        await replace(at.custody, at.owner, id, 1, secretFields(plain));
      }
    });
    expect(wrong.join()).toContain("secret_lost");
  });
});
