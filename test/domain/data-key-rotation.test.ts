import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { resealDue } from "../../src/credentials/reseal.ts";
import { hardStopOperations, rotateAfterDays, rotateAfterOperations } from "../../src/crypto/keys.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { addKey, removeOldKeys } from "../../src/key-encryption/key-file.ts";
import {
  countDataKeys,
  databaseTime,
  destroyDataKey,
  destroyUnusedDataKeys,
  rewrapDataKey,
  rotateDataKey,
  rotateWornDataKeys,
  sealingKeys,
  wrappedOtherwise,
} from "../../src/tenants/data-key.ts";
import { deleteTenant, suspendTenant } from "../../src/tenants/tenant.ts";
import { eventNames } from "../../testkit/record.ts";
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

/** The seconds that have passed since the tenant's data keys were made and retired. */
async function age(seconds: number): Promise<void> {
  await sql`update data_keys set created_at = created_at - make_interval(secs => ${seconds}),
    retired_at = retired_at - make_interval(secs => ${seconds}) where tenant_id = ${at.tenant.id}`.execute(
    world.database.owner,
  );
}

const keysOf = () =>
  world.database.owner
    .selectFrom("data_keys")
    .select(["id", "use", "state", "kek_id"])
    .where("tenant_id", "=", at.tenant.id)
    .orderBy("created_at")
    .execute();
const sealing = async () => (await keysOf()).filter(({ use }) => use === "seal");
const rotated = async (): Promise<string> => {
  const id = await at.sealingKey();
  await rotateDataKey(at.custody, { tenantId: at.tenant.id, id });
  return id;
};

describe("a data key that gets a successor", () => {
  test("seals no more, still opens, and is destroyed ten minutes after nothing needs it, at the earliest", async () => {
    const { id } = await at.registered();
    const first = await rotated();
    expect((await sealing()).map(({ state }) => state)).toEqual(["retired", "active"]);
    const { id: second } = await at.registered({ label: "after" });
    expect(await at.keptIn("postgres", second, 1)).not.toContain(first);
    expect(await at.secretOf(id)).toEqual(plain);

    await age(660);
    expect(await destroyUnusedDataKeys(at.custody), "it is needed").toEqual({ done: 0, failed: 0 });
    expect(await resealDue(at.custody)).toEqual({ done: 1, failed: 0 });
    const last = await rotated();
    expect(await resealDue(at.custody)).toEqual({ done: 2, failed: 0 });
    await age(540);
    expect(await destroyUnusedDataKeys(at.custody), "the first alone").toEqual({ done: 1, failed: 0 });
    expect((await keysOf()).map((key) => key.id)).not.toContain(first);
    expect((await keysOf()).map((key) => key.id)).toContain(last);
    expect(await at.secretOf(id)).toEqual(plain);
    expect(await at.secretOf(second)).toEqual(plain);
  });

  test("is told in the record, with its successor and its end", async () => {
    await at.registered();
    await rotated();
    await resealDue(at.custody);
    await age(601);
    await destroyUnusedDataKeys(at.custody);
    expect((await eventNames(at.custody.db, at.owner)).slice(-5)).toEqual([
      "data_key.rotated",
      "credential.used",
      "credential.resealed",
      "credential.version_destroyed",
      "data_key.destroyed",
    ]);
  });

  test("is not destroyed by anybody while a version needs it: the database refuses", async () => {
    const { id } = await at.registered();
    const first = await rotated();
    const destroying = () => destroyDataKey(at.custody, { tenantId: at.tenant.id, id: first });
    await expect(destroying()).rejects.toThrow("credential_versions");
    const asOwner = world.database.ownerPool.query("delete from data_keys where id = $1", [first]);
    await expect(asOwner).rejects.toThrow("credential_versions");
    expect(await at.secretOf(id)).toEqual(plain);
    await resealDue(at.custody);
    await destroying();
    expect(
      (await sealing()).map((key) => key.id),
      "the control: it goes when nothing does",
    ).toEqual([await at.sealingKey()]);
  });

  test("gets one, however many give it one at once", async () => {
    await at.registered();
    const id = await at.sealingKey();
    await Promise.all(
      Array.from({ length: 5 }, () => rotateDataKey(at.custody, { tenantId: at.tenant.id, id })),
    );
    expect((await sealing()).map(({ state }) => state)).toEqual(["retired", "active"]);
  });

  test("by the clock when it is old or has sealed much, and not before", async () => {
    await at.registered();
    const worn = async () => {
      const before = await at.sealingKey();
      await rotateWornDataKeys(at.custody);
      return (await at.sealingKey()) !== before;
    };
    expect(await worn()).toBe(false);
    await age(rotateAfterDays * 86_400 - 3600);
    expect(await worn(), "an hour too early").toBe(false);
    await age(3600);
    expect(await worn()).toBe(true);
    const operations = async (count: number) => {
      const of = [count, await at.sealingKey()];
      await world.database.ownerPool.query("update data_keys set operations = $1 where id = $2", of);
    };
    await operations(rotateAfterOperations - 1);
    expect(await worn()).toBe(false);
    await operations(rotateAfterOperations);
    expect(await worn()).toBe(true);
    expect((await sealing()).map(({ state }) => state)).toEqual(["retired", "retired", "active"]);
  });

  test("when it is exhausted: it refuses to seal, still opens, and the clock lets the tenant go on", async () => {
    const { id } = await at.registered();
    const of = [hardStopOperations - 1, await at.sealingKey()];
    await world.database.ownerPool.query("update data_keys set operations = $1 where id = $2", of);
    const another = () => at.registered({ label: "another" });
    await expect(another()).rejects.toMatchObject({ code: "key_unavailable" });
    expect(await at.secretOf(id)).toEqual(plain);
    await rotateWornDataKeys(at.custody);
    expect(await at.secretOf((await another()).id)).toEqual(plain);
  });

  test("by the operator's clock would get one again and again where the database's is behind", async () => {
    await at.registered();
    const mine = async (since: Date) =>
      (await sealingKeys(at.custody.db, since, 1000)).filter(({ tenantId }) => tenantId === at.tenant.id);
    const since = await databaseTime(at.custody.db);
    expect(await mine(since)).toHaveLength(1);
    await rotated();
    expect(await mine(since), "what is made after it is left").toEqual([]);
    expect(await mine(new Date(since.getTime() + 60_000)), "the control").toHaveLength(1);
  });
});

describe("a key-encryption key that gets a successor", () => {
  /** A process that starts now. */
  const process = async () => new DataKeys(at.custody.db, await loadKeyFile(world.keyFile));
  const rewrapAll = async (dataKeys: DataKeys): Promise<void> => {
    for (const key of await wrappedOtherwise(at.custody.db, dataKeys.newestKekId, 1000))
      await rewrapDataKey({ db: at.custody.db, dataKeys }, key);
  };
  const wrappedBy = async () => [...new Set((await keysOf()).map(({ kek_id }) => kek_id))];

  test("wraps all data keys, those for MACs too, and what they sealed stays as it is", async () => {
    const { id } = await at.registered();
    await at.custody.dataKeys.mac(at.tenant.id, "cursor", new Uint8Array(1));
    const before = { sealed: await at.keptIn("postgres", id, 1), keks: await wrappedBy() };
    await addKey(world.keyFile);
    const operator = await process();
    await rewrapAll(operator);
    expect(await keysOf()).toHaveLength(2);
    expect(await wrappedBy()).toEqual([operator.newestKekId]);
    expect(before.keks).not.toContain(operator.newestKekId);
    expect(await at.keptIn("postgres", id, 1)).toBe(before.sealed);
    expect(await at.secretOf(id)).toEqual(plain);
    expect((await eventNames(at.custody.db, at.owner)).slice(-3, -1)).toEqual([
      "data_key.rewrapped",
      "data_key.rewrapped",
    ]);
  });

  test("is found without a restart by a process that started before it, which wraps with it from then on", async () => {
    const { id: dataKey } = await (await process()).toSeal(at.tenant.id, 1);
    const started = await process();
    await addKey(world.keyFile);
    await rewrapAll(await process());
    expect((await started.get(at.tenant.id, dataKey)).id).toBe(dataKey);
    await started.mac(at.tenant.id, "cursor", new Uint8Array(1));
    expect(await wrappedBy()).toEqual([(await process()).newestKekId]);
  });

  test("is the only one that wraps once the older ones are removed, in a process that never needed it before", async () => {
    const started = await process();
    await addKey(world.keyFile);
    await rewrapAll(await process());
    await removeOldKeys(world.keyFile);
    const { id } = await started.toSeal(at.tenant.id, 1);
    expect((await (await process()).get(at.tenant.id, id)).id, "after the next start").toBe(id);
  });

  test("whose file is gone wraps nothing, and opens what it has", async () => {
    const path = `${world.keyFile}-lost`;
    const key = randomBytes(32);
    await writeFile(path, key, { mode: 0o600 });
    const provider = await loadKeyFile(path);
    const context = { tenantId: at.tenant.id, dataKeyId: at.accountId };
    const wrapped = await provider.wrap(key, context);
    await rm(path);
    await expect(provider.wrap(key, context)).rejects.toMatchObject({ code: "key_unavailable" });
    expect(Buffer.from(await provider.unwrap(wrapped, context))).toEqual(key);
  });

  test("reaches tenants that are suspended or deleted and not yet erased, so that nothing needs the old one", async () => {
    const end = [suspendTenant, deleteTenant];
    for (const work of end) {
      const tenant = await world.openTenant();
      await tenant.registered();
      await work(at.custody.db, world.operator, tenant.tenant.id);
    }
    await addKey(world.keyFile);
    const operator = await process();
    await rewrapAll(operator);
    expect(new Set((await countDataKeys(at.custody.db)).map(({ kek_id }) => kek_id))).toEqual(
      new Set([operator.newestKekId]),
    );
  });
});
