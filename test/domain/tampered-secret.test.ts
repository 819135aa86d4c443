import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { register } from "../../src/credentials/register.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { KeyholdError } from "../../src/errors.ts";
import { unknownDataKey } from "../../src/key-encryption/key-provider.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let other: Tenant;

beforeAll(async () => {
  world = await createWorld();
  [tenant, other] = [await world.createTenant(), await world.createTenant()];
});
afterAll(() => world.close());

async function keep({ owner }: Tenant): Promise<string> {
  const custody = new ScriptedVenue().in(world.custody);
  const { id } = await register(custody, owner, {
    accountId: await world.createAccount(owner),
    venue: "scripted",
    environment: "live",
    fields: secretFields({ api_key: crypto.randomUUID(), api_secret: crypto.randomUUID() }),
    policy: { allow: ["read"], reveal: true },
  });
  return id;
}

async function sealedOf(id: string): Promise<Buffer> {
  const { owner } = world.database;
  const row = await owner
    .selectFrom("sealed_secrets")
    .select("sealed")
    .where("credential_id", "=", id)
    .executeTakeFirstOrThrow();
  return Buffer.from(row.sealed);
}

/** What somebody who can write to the store puts there. */
async function plant(id: string, sealed: Uint8Array): Promise<void> {
  await sql`update sealed_secrets set sealed = ${sealed} where credential_id = ${id}`.execute(
    world.database.owner,
  );
}

async function answer(id: string): Promise<unknown> {
  try {
    return Buffer.from(await reveal(world.custody, tenant.owner, id, "to see it")).toString();
  } catch (error) {
    if (!(error instanceof KeyholdError)) throw error;
    return { code: error.code, facts: error.facts };
  }
}

const tampered = { code: "secret_damaged", facts: { store: "postgres", reason: "tampered" } };

test("Whatever bit of a sealed secret somebody turns, it is told of as changed, and never as a missing key", async () => {
  const id = await keep(tenant);
  const sealed = await sealedOf(id);
  const before = await answer(id);
  for (let at = 0; at < sealed.length; at += 1) {
    const turned = Buffer.from(sealed);
    turned[at] = (turned[at] ?? 0) ^ (1 << (at % 8));
    await plant(id, turned);
    expect(await answer(id), `byte ${at}`).toEqual(tampered);
  }
  await plant(id, sealed);
  expect(await answer(id), "the control").toEqual(before);
});

test("So is one that was exchanged for another of the tenant, for one of another tenant, or cut", async () => {
  const [id, second, foreign] = [await keep(tenant), await keep(tenant), await keep(other)];
  const sealed = await sealedOf(id);
  for (const bytes of [
    await sealedOf(second),
    await sealedOf(foreign),
    sealed.subarray(0, -1),
    Buffer.alloc(3),
  ]) {
    await plant(id, bytes);
    expect(await answer(id)).toEqual(tampered);
  }
});

test("A data key that cannot be unwrapped is told of as that (control)", async () => {
  const id = await keep(other);
  const { owner } = world.database;
  const { id: dataKeyId } = await owner
    .selectFrom("data_keys")
    .select("id")
    .where("tenant_id", "=", other.id)
    .where("use", "=", "seal")
    .executeTakeFirstOrThrow();
  await owner
    .updateTable("data_keys")
    .set({ kek_id: "0".repeat(32) })
    .where("id", "=", dataKeyId)
    .execute();
  const { DataKeys } = await import("../../src/key-encryption/data-keys.ts");
  const { loadKeyFile } = await import("../../src/key-encryption/file.ts");
  const dataKeys = new DataKeys(world.custody.db, await loadKeyFile(world.keyFile));
  const opening = reveal({ ...world.custody, dataKeys }, other.owner, id, "to see it");
  await expect(opening).rejects.toMatchObject({ code: "key_unavailable" });
  await expect(opening).rejects.not.toMatchObject({ facts: { reason: unknownDataKey } });
});
