import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { verifyChain } from "../../src/audit/chain.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { reconcile } from "../../src/credentials/destroy.ts";
import { deleteAccount, eraseAccounts, eraseTenants } from "../../src/credentials/erase.ts";
import { freeze, unfreeze } from "../../src/credentials/freeze.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { list, show } from "../../src/credentials/list.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { remove, revoke } from "../../src/credentials/revoke.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { validate } from "../../src/credentials/validate.ts";
import { freezeAccount, unfreezeAccount } from "../../src/tenants/account.ts";
import { deleteTenant, freezeTenant, unfreezeTenant } from "../../src/tenants/tenant.ts";
import { countRows, eventNames, eventsOf, exportLines } from "../../testkit/record.ts";
import { rewrite } from "../../testkit/rights.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
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

let labels = 0;

async function registered(changes: Partial<Registration> = {}) {
  labels += 1;
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const policy = { allow: ["read", "trade"], reveal: true } as const;
  const label = `label-${labels}`;
  const input = { accountId, venue: "scripted", environment: "live", label, fields, policy } as const;
  return register(custody, owner, { ...input, ...changes });
}

/** Every way to a secret, each as its result or the code of its error. */
async function ways(id: string): Promise<Record<string, string>> {
  const tried = {
    use: () => withSecret(custody, owner, { id }, () => Promise.resolve()),
    reveal: () => reveal(custody, owner, id, "to see"),
    invoke: () => invoke(custody, owner, id, { operation: "fetchBalance", params: {}, idempotencyKey: null }),
    validate: () => validate(custody, owner, id),
  };
  const results: Record<string, string> = {};
  for (const [name, trying] of Object.entries(tried)) {
    results[name] = await trying().then(
      () => "ok",
      (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : "no code"),
    );
  }
  return results;
}

const everyWay = (result: string) => ({ use: result, reveal: result, invoke: result, validate: result });

/** A store that does not answer when it is asked to destroy. */
function withoutDestruction(): Custody {
  const { first } = custody.stores;
  const deaf = {
    ...first,
    destroy: () => Promise.resolve({ outcome: "unavailable", reason: "unreachable" } as const),
  };
  return { ...custody, stores: { first: deaf, get: () => deaf } };
}

/** As if everything under way had begun three minutes ago. */
async function age(): Promise<void> {
  const begun = new Date(Date.now() - 180_000);
  await world.database.owner.updateTable("intents").set({ created_at: begun }).execute();
}

/** The rows of this tenant by table. */
async function rowsOf(tenantId: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const name of Object.keys(await countRows(world.database.owner))) {
    const column = name === "tenants" ? "id" : "tenant_id";
    const { rows } = await world.database.ownerPool
      .query<{ n: number }>(`select count(*) as n from ${name} where ${column} = $1`, [tenantId])
      .catch(() => ({ rows: [] }));
    if (rows[0] !== undefined && rows[0].n > 0) counts[name] = rows[0].n;
  }
  return counts;
}

describe("freezing", () => {
  test.each([
    [
      "a credential",
      (id: string) => freeze(custody, owner, id, "leak"),
      (id: string) => unfreeze(custody, owner, id),
    ],
    [
      "an account",
      () => freezeAccount(custody.db, owner, accountId, "leak"),
      () => unfreezeAccount(custody.db, owner, accountId),
    ],
    ["a tenant", () => freezeTenant(custody.db, owner, "leak"), () => unfreezeTenant(custody.db, owner)],
  ])("%s stops every use at once, and unfreezing lets it go on", async (_, stop, resume) => {
    const { id } = await registered();
    expect(await ways(id)).toEqual(everyWay("ok"));
    await stop(id);
    expect(await ways(id)).toEqual(everyWay("frozen"));
    await resume(id);
    expect(await ways(id)).toEqual(everyWay("ok"));
  });

  test("of an account or a tenant stops what is registered into it, too", async () => {
    await freezeAccount(custody.db, owner, accountId, null);
    await expect(registered()).rejects.toMatchObject({ code: "frozen" });
    await unfreezeAccount(custody.db, owner, accountId);
    await freezeTenant(custody.db, owner, null);
    await expect(registered()).rejects.toMatchObject({ code: "frozen" });
  });
});

describe("revoking", () => {
  test("destroys every version, keeps metadata and record, and is the end", async () => {
    const { id } = await registered();
    expect(await revoke(custody, owner, id)).toMatchObject({ status: "revoked" });
    expect(await show(custody, owner, id)).toMatchObject({ status: "revoked" });
    expect(await ways(id)).toEqual(everyWay("illegal_state"));
    await expect(revoke(custody, owner, id)).rejects.toMatchObject({ code: "illegal_state" });
    expect(await rowsOf(tenant.id)).not.toHaveProperty("sealed_secrets");
    expect(await eventNames(custody.db, owner, id)).toContain("credential.version_destroyed");
  });

  test("is in force although the store does not answer; the reconciler destroys later, once", async () => {
    const { id } = await registered();
    await revoke(withoutDestruction(), owner, id);
    expect(await ways(id)).toEqual(everyWay("illegal_state"));
    expect(await rowsOf(tenant.id)).toMatchObject({ sealed_secrets: 1, intents: 1 });
    await age();
    expect(await reconcile(withoutDestruction())).toEqual({ done: 0, failed: 1 });
    expect(await reconcile(custody)).toEqual({ done: 1, failed: 0 });
    const after = await rowsOf(tenant.id);
    expect(after).not.toHaveProperty("sealed_secrets");
    expect(after).not.toHaveProperty("intents");
    expect(await reconcile(custody)).toEqual({ done: 0, failed: 0 });
  });
});

describe("what two destroy at once", () => {
  test("is destroyed and recorded once, and its row goes with it", async () => {
    const { id } = await registered();
    await remove(withoutDestruction(), owner, id);
    await age();
    const { first } = custody.stores;
    const both = Promise.withResolvers<undefined>();
    let arrived = 0;
    const destroy: typeof first.destroy = async (ref) => {
      arrived += 1;
      if (arrived === 2) both.resolve(undefined);
      await both.promise;
      return first.destroy(ref);
    };
    const meeting: Custody = { ...custody, stores: { first, get: () => ({ ...first, destroy }) } };
    expect(await Promise.all([reconcile(meeting), reconcile(meeting)])).toEqual([
      { done: 1, failed: 0 },
      { done: 1, failed: 0 },
    ]);
    const names = await eventNames(custody.db, owner, id);
    expect(names.filter((name) => name === "credential.version_destroyed")).toHaveLength(1);
    expect(await rowsOf(tenant.id)).not.toHaveProperty("credentials");
  });
});

describe("deleting a credential", () => {
  test("leaves nothing but the record, and a miss", async () => {
    const { id } = await registered();
    const use = {
      operation: "createOrder",
      params: { symbol: "X", type: "market", side: "buy", amount: "1" },
    };
    await invoke(custody, owner, id, { ...use, idempotencyKey: "one" });
    expect(await rowsOf(tenant.id)).toMatchObject({ invocations: 1 });
    await remove(custody, owner, id);
    expect(Object.keys(await rowsOf(tenant.id)).toSorted()).toEqual([
      "accounts",
      "audit.heads",
      "audit.links",
      "data_keys",
      "members",
      "tenants",
    ]);
    await expect(show(custody, owner, id)).rejects.toMatchObject({ code: "not_found" });
    expect(await ways(id)).toEqual(everyWay("not_found"));
    await expect(remove(custody, owner, id)).rejects.toMatchObject({ code: "not_found" });
    expect((await list(custody, owner, {}, { limit: 50, after: null })).items).toEqual([]);
    expect(await eventNames(custody.db, owner, id)).toContain("credential.deleted");
  });

  test("that was revoked before leaves no row behind either", async () => {
    const { id } = await registered();
    await revoke(custody, owner, id);
    await remove(custody, owner, id);
    expect(await rowsOf(tenant.id)).not.toHaveProperty("credentials");
  });

  test("is in force although the store does not answer, and its row goes with the secret", async () => {
    const { id } = await registered();
    await remove(withoutDestruction(), owner, id);
    await expect(show(custody, owner, id)).rejects.toMatchObject({ code: "not_found" });
    expect(await rowsOf(tenant.id)).toMatchObject({ credentials: 1, sealed_secrets: 1 });
    await age();
    await reconcile(custody);
    const after = await rowsOf(tenant.id);
    expect(after).not.toHaveProperty("credentials");
    expect(after).not.toHaveProperty("sealed_secrets");
  });
});

describe("deleting an account", () => {
  test("ends everything below it in the same moment, and the clock removes its row", async () => {
    const [one, two] = [await registered(), await registered()];
    await revoke(custody, owner, two.id);
    await deleteAccount(custody, owner, accountId);
    expect(await ways(one.id)).toEqual(everyWay("not_found"));
    await expect(list(custody, owner, { accountId }, { limit: 50, after: null })).rejects.toMatchObject({
      code: "not_found",
    });
    await expect(registered()).rejects.toMatchObject({ code: "not_found" });
    expect(await eraseAccounts(custody)).toEqual({ done: 1, failed: 0 });
    const after = await rowsOf(tenant.id);
    for (const name of ["accounts", "credentials", "sealed_secrets", "intents"])
      expect(after).not.toHaveProperty(name);
    expect(await eventNames(custody.db, owner)).toContain("account.erased");
    expect(await eraseAccounts(custody)).toEqual({ done: 0, failed: 0 });
  });

  test("keeps its row until the secrets are destroyed in their store", async () => {
    await registered();
    await deleteAccount(withoutDestruction(), owner, accountId);
    await eraseAccounts(custody);
    expect(await rowsOf(tenant.id)).toMatchObject({ accounts: 1, sealed_secrets: 1 });
    await age();
    await reconcile(custody);
    await eraseAccounts(custody);
    expect(await rowsOf(tenant.id)).not.toHaveProperty("accounts");
  });

  test("while a credential is being registered into it leaves neither of the two", async () => {
    const { first } = custody.stores;
    const put: typeof first.put = async (...given) => {
      await deleteAccount(custody, owner, accountId);
      return first.put(...given);
    };
    const slow: Custody = { ...custody, stores: { ...custody.stores, first: { ...first, put } } };
    const fields = secretFields({ api_key: "key", api_secret: "secret" });
    const registering = register(slow, owner, { accountId, venue: "scripted", environment: "live", fields });
    await expect(registering).rejects.toMatchObject({ code: "not_found" });
    const after = await rowsOf(tenant.id);
    for (const name of ["credentials", "sealed_secrets", "intents"]) expect(after).not.toHaveProperty(name);
    await eraseAccounts(custody);
    expect(await rowsOf(tenant.id)).not.toHaveProperty("accounts");
  });
});

describe("deleting a tenant", () => {
  test("ends every use at once; the clock destroys secrets, keys and rows, and the record stays whole", async () => {
    const { id } = await registered();
    await registered();
    await deleteTenant(custody.db, world.operator, tenant.id);
    expect(await ways(id)).toMatchObject({ use: "forbidden", reveal: "forbidden", validate: "forbidden" });
    expect(await rowsOf(tenant.id)).toMatchObject({ credentials: 2, sealed_secrets: 2, data_keys: 2 });

    expect(await eraseTenants(custody)).toEqual({ done: 1, failed: 0 });
    expect(Object.keys(await rowsOf(tenant.id)).toSorted()).toEqual(["audit.heads", "audit.links"]);
    expect(await eraseTenants(custody)).toEqual({ done: 0, failed: 0 });

    const lines = await exportLines(custody.db, owner);
    expect(await verifyChain(lines)).toMatchObject({ intact: true, tenant: tenant.id });
    const events = await eventNames(custody.db, owner);
    expect(events.filter((name) => name === "tenant.deleted")).toHaveLength(1);
    expect(events.filter((name) => name === "credential.revoked")).toHaveLength(2);
    expect(events.at(-1)).toBe("tenant.erased");
  });

  test("keeps keys and rows until its secrets are destroyed in their store", async () => {
    await registered();
    await deleteTenant(custody.db, world.operator, tenant.id);
    expect(await eraseTenants(withoutDestruction())).toEqual({ done: 0, failed: 1 });
    expect(await rowsOf(tenant.id)).toMatchObject({ data_keys: 2, sealed_secrets: 1, tenants: 1 });
    expect(await eraseTenants(custody)).toEqual({ done: 1, failed: 0 });
    expect(await rowsOf(tenant.id)).not.toHaveProperty("tenants");
  });

  test("waits for what a registration was still writing when its keys went", async () => {
    await registered();
    await deleteTenant(custody.db, world.operator, tenant.id);
    const destroyAll = async (tenantId: string) => {
      await custody.dataKeys.destroyAll(tenantId);
      await world.database.ownerPool.query(
        `insert into intents (tenant_id, id, kind, credential_id, version, store, venue, environment)
         values ($1, gen_random_uuid(), 'register', gen_random_uuid(), 1, 'postgres', 'scripted', 'live')`,
        [tenantId],
      );
    };
    await eraseTenants({ ...custody, dataKeys: { destroyAll } });
    expect(await rowsOf(tenant.id)).toMatchObject({ tenants: 1, intents: 1 });
    await eraseTenants(custody);
    expect(await rowsOf(tenant.id)).not.toHaveProperty("tenants");
  });

  test("while a credential is being registered leaves nothing of it", async () => {
    const { first } = custody.stores;
    const put: typeof first.put = async (...given) => {
      await deleteTenant(custody.db, world.operator, tenant.id);
      return first.put(...given);
    };
    const slow: Custody = { ...custody, stores: { ...custody.stores, first: { ...first, put } } };
    const fields = secretFields({ api_key: "key", api_secret: "secret" });
    const registering = register(slow, owner, { accountId, venue: "scripted", environment: "live", fields });
    await expect(registering).rejects.toMatchObject({ code: "not_found" });
    await eraseTenants(custody);
    expect(Object.keys(await rowsOf(tenant.id)).toSorted()).toEqual(["audit.heads", "audit.links"]);
  });
});

describe("an account with many credentials", () => {
  test("is out of use at once, and ends in transactions of twenty credentials at most", async () => {
    const { id } = await registered();
    const many = 55;
    // Copies of a row, without a secret: their end is what counts.
    const copies = sql`insert into credentials (tenant_id, id, account_id, owner_id, venue, environment, label, status, store)
      select tenant_id, gen_random_uuid(), account_id, owner_id, venue, environment, n::text, 'pending', store
      from credentials, generate_series(2, ${many}::integer) n where id = ${id}`;
    await rewrite(custody.db, tenant.id, copies);
    await deleteAccount(custody, owner, accountId);
    expect((await list(custody, owner, {}, { limit: 50, after: null })).items).toEqual([]);
    expect(await ways(id)).toEqual(everyWay("not_found"));
    const sizes = async (): Promise<readonly number[]> => {
      const { rows } = await world.database.ownerPool.query<{ n: number }>(
        `select (length(events) - length(replace(events, '"credential.revoked"', ''))) / 20 as n from audit.links
         where tenant_id = $1 and events like '%"credential.revoked"%' order by link`,
        [tenant.id],
      );
      return rows.map(({ n }) => n);
    };
    expect(await sizes(), "before the answer").toEqual([20]);
    expect(await eraseAccounts(custody)).toEqual({ done: 1, failed: 0 });
    expect(await sizes()).toEqual([20, 10, 10, 10, 5]);
    const after = await rowsOf(tenant.id);
    for (const name of ["accounts", "credentials", "sealed_secrets", "intents"])
      expect(after).not.toHaveProperty(name);
    const deleted = (await eventsOf(custody.db, owner)).find(({ event }) => event === "account.deleted");
    expect(deleted?.detail).toMatchObject({ account_id: accountId, credentials: many });
  });

  test("loses no secret when only its mark was made: the job destroys what is left", async () => {
    const { id } = await registered();
    await rewrite(custody.db, tenant.id, sql`update credentials set deleted_at = now() where id = ${id}`);
    const mark = sql`update accounts set deleted_at = now(), active = false where id = ${accountId}`;
    await rewrite(custody.db, tenant.id, mark);
    expect(await rowsOf(tenant.id)).toMatchObject({ credentials: 1, sealed_secrets: 1 });
    await eraseAccounts(custody);
    const after = await rowsOf(tenant.id);
    for (const name of ["accounts", "credentials", "sealed_secrets"]) expect(after).not.toHaveProperty(name);
    expect(await eventNames(custody.db, owner, id)).toContain("credential.version_destroyed");
  });
});
