import { sql } from "kysely";
import { LRUCache } from "lru-cache";
import {
  exportDataKey,
  generateDataKey,
  importDataKey,
  hardStopOperations,
  type DataKey,
} from "../crypto/keys.ts";
import { deriveMac } from "../crypto/mac.ts";
import type { Db } from "../db/connect.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { type DataKeySource, type KeptDataKey, type KeyProvider, unknownDataKey } from "./key-provider.ts";

const hour = 3_600_000;

/**
 * The data keys of all tenants: wrapped in the database, unwrapped by the key provider, and kept as handles
 * in a bounded cache. A handle gives no right: the record judges each use of a secret first.
 */
export class DataKeys implements DataKeySource {
  readonly #db: Db;
  readonly #provider: KeyProvider;
  readonly #byId: LRUCache<string, DataKey, string>;
  readonly #macIds: LRUCache<string, string>;

  constructor(
    db: Db,
    provider: KeyProvider,
    {
      most = 10_000,
      heldForMs = hour,
    }: Readonly<{
      /** Handles that are kept at most. */
      most?: number;
      /**
       * Milliseconds after which a handle is made again, so that the key of an erased tenant does not stay.
       */
      heldForMs?: number;
    }> = {},
  ) {
    this.#db = db;
    this.#provider = provider;
    this.#byId = new LRUCache({
      max: most,
      ttl: heldForMs,
      noDeleteOnStaleGet: true,
      noDeleteOnFetchRejection: true,
      fetchMethod: async (id, _stale, { context: tenantId }) => this.#load(tenantId, id),
    });
    this.#macIds = new LRUCache({ max: most });
  }

  get newestKekId(): string {
    return this.#provider.kekId;
  }

  async get(tenantId: string, id: string): Promise<DataKey> {
    const cached = this.#byId.get(id);
    if (cached !== undefined) return cached;
    // While the provider is away, a running service keeps the handles that it has.
    const allowStaleOnFetchRejection = this.#byId.peek(id, { allowStale: true }) !== undefined;
    const key = await this.#byId.fetch(id, { context: tenantId, allowStaleOnFetchRejection });
    if (key === undefined) throw unknownKey();
    return key;
  }

  async toSeal(tenantId: string, values: number): Promise<DataKey> {
    const counted = await this.#count(tenantId, values);
    if (counted !== undefined) return this.get(tenantId, counted);
    await this.#create(tenantId, "seal");
    const created = await this.#count(tenantId, values);
    if (created === undefined) throw gone();
    return this.get(tenantId, created);
  }

  async mac(tenantId: string, purpose: string, bytes: Uint8Array): Promise<Uint8Array> {
    return deriveMac(await this.#macKey(tenantId), purpose, bytes);
  }

  async warmMac(tenantId: string): Promise<void> {
    const id = await this.#findMacId(tenantId);
    if (id !== undefined) await this.get(tenantId, id);
  }

  async beginMac(tenantId: string): Promise<KeptDataKey> {
    const key = generateDataKey();
    const kept = await this.#wrap(tenantId, key);
    this.#byId.set(key.id, key);
    this.#macIds.set(tenantId, key.id);
    return kept;
  }

  async make(tenantId: string): Promise<KeptDataKey> {
    return this.#wrap(tenantId, generateDataKey());
  }

  async rewrap(tenantId: string, { id, kekId, wrapped }: KeptDataKey): Promise<KeptDataKey> {
    const context = { tenantId, dataKeyId: id };
    return this.#wrap(
      tenantId,
      importDataKey(id, await this.#provider.unwrap({ kekId, bytes: wrapped }, context)),
    );
  }

  forget(id: string): void {
    this.#byId.delete(id);
  }

  async destroyAll(tenantId: string): Promise<void> {
    const rows = await withTenant(this.#db, serviceScope(tenantId), (tx) =>
      tx.deleteFrom("data_keys").returning("id").execute(),
    );
    this.#macIds.delete(tenantId);
    for (const { id } of rows) this.forget(id);
  }

  /** Counts before anything is sealed, so that after a crash the count is too high and never too low. */
  async #count(tenantId: string, values: number): Promise<string | undefined> {
    const row = await withTenant(this.#db, serviceScope(tenantId), (tx) =>
      tx
        .updateTable("data_keys")
        .set((eb) => ({ operations: eb("operations", "+", values) }))
        .where("use", "=", "seal")
        .where("state", "=", "active")
        .returning(["id", "operations"])
        .executeTakeFirst(),
    );
    if (row === undefined) return undefined;
    if (row.operations >= hardStopOperations) throw exhausted();
    return row.id;
  }

  async #macKey(tenantId: string): Promise<DataKey> {
    const id = (await this.#findMacId(tenantId)) ?? (await this.#create(tenantId, "mac"));
    this.#macIds.set(tenantId, id);
    return this.get(tenantId, id);
  }

  async #findMacId(tenantId: string): Promise<string | undefined> {
    const known = this.#macIds.get(tenantId);
    if (known !== undefined) return known;
    const id = await withTenant(this.#db, serviceScope(tenantId), (tx) => activeId(tx, "mac"));
    if (id !== undefined) this.#macIds.set(tenantId, id);
    return id;
  }

  async #load(tenantId: string, id: string): Promise<DataKey | undefined> {
    const row = await withTenant(this.#db, serviceScope(tenantId), (tx) =>
      tx.selectFrom("data_keys").select(["kek_id", "wrapped"]).where("id", "=", id).executeTakeFirst(),
    );
    // The handle of a destroyed key is dropped, unlike one whose provider is away.
    if (row === undefined) return undefined;
    const wrapped = { kekId: row.kek_id, bytes: row.wrapped };
    return importDataKey(id, await this.#provider.unwrap(wrapped, { tenantId, dataKeyId: id }));
  }

  async #wrap(tenantId: string, key: DataKey): Promise<KeptDataKey> {
    using bytes = exportDataKey(key);
    const context = { tenantId, dataKeyId: key.id };
    const wrapped = await bytes.expose((material) => this.#provider.wrap(material, context));
    return { id: key.id, kekId: wrapped.kekId, wrapped: wrapped.bytes };
  }

  /** When two processes create a key at once, one key wins and both use it. */
  async #create(tenantId: string, use: "seal" | "mac"): Promise<string> {
    const { id, kekId, wrapped } = await this.make(tenantId);
    const winner = await withTenant(this.#db, serviceScope(tenantId), async (tx) => {
      await tx
        .insertInto("data_keys")
        .values({ tenant_id: tenantId, id, use, kek_id: kekId, wrapped })
        .onConflict((conflict) =>
          conflict.columns(["tenant_id", "use"]).where("state", "=", sql.lit("active")).doNothing(),
        )
        .execute();
      return activeId(tx, use);
    });
    if (winner === undefined) throw gone();
    return winner;
  }
}

async function activeId(tx: TenantTx, use: "seal" | "mac"): Promise<string | undefined> {
  const row = await tx
    .selectFrom("data_keys")
    .select("id")
    .where("use", "=", use)
    .where("state", "=", "active")
    .executeTakeFirst();
  return row?.id;
}

/** A sealed value names a data key that its tenant does not have. */
function unknownKey(): KeyholdError {
  return new KeyholdError("key_unavailable", "The data key of this secret is not available.", {
    facts: { reason: unknownDataKey },
  });
}

function gone(): KeyholdError {
  return new KeyholdError("key_unavailable", "The data key of this secret is not available.");
}

function exhausted(): KeyholdError {
  return new KeyholdError(
    "key_unavailable",
    "The tenant's data key has sealed as much as a key may. The operator gives it a successor with `keyhold keys rotate --data-keys`.",
  );
}
