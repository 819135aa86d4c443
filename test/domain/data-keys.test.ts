import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { open, seal } from "../../src/crypto/envelope.ts";
import { hardStopOperations } from "../../src/crypto/keys.ts";
import { Secret } from "../../src/crypto/secret.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import type { KeyProvider } from "../../src/key-encryption/key-provider.ts";
import { createWorld, type World } from "../../testkit/world.ts";

let world: World;
let provider: KeyProvider;
let tenantId: string;

beforeAll(async () => {
  world = await createWorld();
  provider = await loadKeyFile(world.keyFile);
});
afterAll(() => world.close());
beforeEach(async () => {
  tenantId = (await world.createTenant()).id;
});

/** A process of Keyhold with a cache of its own. */
const process = (from: KeyProvider = provider) => new DataKeys(world.custody.db, from);

/** Those that seal; the one that makes MACs is there from the beginning. */
async function rows() {
  const keys = world.database.owner.selectFrom("data_keys").selectAll().where("tenant_id", "=", tenantId);
  return keys.where("use", "=", "seal").execute();
}

describe("the data keys of a tenant", () => {
  test("are one, made at the first secret, by however many processes at once", async () => {
    const made = await Promise.all(Array.from({ length: 20 }, () => process().toSeal(tenantId, 1)));
    const [row, ...others] = await rows();
    expect(others).toEqual([]);
    expect(new Set(made.map(({ id }) => id))).toEqual(new Set([row?.id]));
    const context = { tenantId, credentialId: randomUUID(), version: 1, field: "api_key" };
    using secret = Secret.fromText("plain");
    const [one, two] = made;
    if (one === undefined || two === undefined) throw new Error("there are twenty");
    using opened = open(two, context, seal(one, context, secret));
    expect(opened.expose((bytes) => Buffer.from(bytes).toString())).toBe("plain");
  });

  test("lie in the database wrapped, and are of no use under another tenant's name", async () => {
    const { id } = await process().toSeal(tenantId, 1);
    const other = (await world.createTenant()).id;
    await expect(process().get(other, id)).rejects.toMatchObject({ code: "key_unavailable" });
    const { ownerPool } = world.database;
    await ownerPool.query("update data_keys set tenant_id = $1 where id = $2", [other, id]);
    await expect(process().get(other, id), "moved there").rejects.toMatchObject({ code: "key_unavailable" });
    await ownerPool.query("update data_keys set tenant_id = $1 where id = $2", [tenantId, id]);
    expect((await process().get(tenantId, id)).id, "the control").toBe(id);
  });

  test("are unwrapped once and then held", async () => {
    let unwrapped = 0;
    const counting: KeyProvider = {
      kind: provider.kind,
      kekId: provider.kekId,
      knows: (kekId) => provider.knows(kekId),
      wrap: (...given) => provider.wrap(...given),
      unwrap: (...given) => {
        unwrapped += 1;
        return provider.unwrap(...given);
      },
    };
    const keys = process(counting);
    await Promise.all(Array.from({ length: 10 }, () => keys.toSeal(tenantId, 1)));
    const { id } = await keys.toSeal(tenantId, 1);
    unwrapped = 0;
    await Promise.all(Array.from({ length: 10 }, () => keys.get(tenantId, id)));
    expect(unwrapped).toBe(0);
    const fresh = process(counting);
    await Promise.all(Array.from({ length: 10 }, () => fresh.get(tenantId, id)));
    expect(unwrapped, "however many ask at once").toBe(1);
  });

  test("that cannot be unwrapped are unavailable, and are asked for again", async () => {
    const { id } = await process().toSeal(tenantId, 1);
    let away = true;
    const unreliable: KeyProvider = {
      kind: provider.kind,
      kekId: provider.kekId,
      knows: (kekId) => provider.knows(kekId),
      wrap: (...given) => provider.wrap(...given),
      unwrap: (...given) => (away ? Promise.reject(new Error("away")) : provider.unwrap(...given)),
    };
    const keys = process(unreliable);
    await expect(keys.get(tenantId, id)).rejects.toThrow("away");
    away = false;
    expect((await keys.get(tenantId, id)).id).toBe(id);
  });

  test("that a process holds stay with it while they cannot be unwrapped again", async () => {
    const { id } = await process().toSeal(tenantId, 1);
    let away = false;
    const unreliable: KeyProvider = {
      kind: provider.kind,
      kekId: provider.kekId,
      knows: (kekId) => provider.knows(kekId),
      wrap: (...given) => provider.wrap(...given),
      unwrap: (...given) => (away ? Promise.reject(new Error("away")) : provider.unwrap(...given)),
    };
    const keys = new DataKeys(world.custody.db, unreliable, { heldForMs: 1 });
    await keys.get(tenantId, id);
    away = true;
    await sleep(5);
    expect((await keys.get(tenantId, id)).id).toBe(id);
    await process().destroyAll(tenantId);
    await expect(keys.get(tenantId, id), "one that is gone does not").rejects.toMatchObject({
      code: "key_unavailable",
    });
  });

  test("count what they are to seal before they do, and seal no more than a key may", async () => {
    await process().toSeal(tenantId, 2);
    const { id } = await process().toSeal(tenantId, 3);
    expect(await rows()).toMatchObject([{ use: "seal", operations: 5 }]);
    await world.database.ownerPool.query("update data_keys set operations = $1 where id = $2", [
      hardStopOperations,
      id,
    ]);
    await expect(process().toSeal(tenantId, 1)).rejects.toMatchObject({ code: "key_unavailable" });
    expect((await process().get(tenantId, id)).id, "it still opens").toBe(id);
  });

  test("are gone for good when they are destroyed", async () => {
    const keys = process();
    const { id } = await keys.toSeal(tenantId, 1);
    await keys.destroyAll(tenantId);
    expect(await rows()).toEqual([]);
    await expect(keys.get(tenantId, id)).rejects.toMatchObject({ code: "key_unavailable", status: 503 });
    await expect(process().get(tenantId, id)).rejects.toMatchObject({ code: "key_unavailable" });
  });

  test("make MACs that depend on tenant, purpose and bytes, and are the same in every process", async () => {
    const mac = async (of: string, purpose: string, text: string) =>
      Buffer.from(await process().mac(of, purpose, Buffer.from(text))).toString("hex");
    const one = await mac(tenantId, "cursor", "x");
    expect(one).toHaveLength(64);
    expect(await mac(tenantId, "cursor", "x")).toBe(one);
    const other = (await world.createTenant()).id;
    const others = [
      await mac(other, "cursor", "x"),
      await mac(tenantId, "key", "x"),
      await mac(tenantId, "cursor", "y"),
    ];
    expect(new Set([one, ...others]).size).toBe(4);
  });
});
