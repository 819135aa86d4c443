import { LRUCache } from "lru-cache";
import { type DataKey, exportDataKey, generateDataKey, importDataKey } from "../crypto/data-key.ts";
import { deriveMac } from "../crypto/mac.ts";
import type { Db } from "../db/connect.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { DataKeySource, KeyProvider } from "./key-provider.ts";

/**
 * The data keys of all tenants: wrapped in the database, unwrapped by the key provider, held as handles in a bounded cache.
 * A handle is not a right: every use of a secret is judged by the record first.
 */
export class DataKeys implements DataKeySource {
  readonly #db: Db;
  readonly #provider: KeyProvider;
  readonly #byId: LRUCache<string, DataKey, string>;
  readonly #active: LRUCache<string, string>;

  constructor(db: Db, provider: KeyProvider, options: { most?: number; activeForMs?: number } = {}) {
    this.#db = db;
    this.#provider = provider;
    this.#byId = new LRUCache({
      max: options.most ?? 10_000,
      fetchMethod: async (id, _stale, { context: tenantId }) => this.#load(tenantId, id),
    });
    this.#active = new LRUCache({ max: options.most ?? 10_000, ttl: options.activeForMs ?? 60_000 });
  }

  async get(tenantId: string, id: string): Promise<DataKey> {
    const cached = this.#byId.get(id);
    if (cached !== undefined) return cached;
    const key = await this.#byId.fetch(id, { context: tenantId });
    if (key === undefined) throw gone();
    return key;
  }

  async active(tenantId: string): Promise<DataKey> {
    const known = this.#active.get(tenantId);
    if (known !== undefined) return this.get(tenantId, known);
    const key = (await this.#findActive(tenantId)) ?? (await this.#create(tenantId));
    this.#active.set(tenantId, key.id);
    return key;
  }

  async mac(tenantId: string, purpose: string, bytes: Uint8Array): Promise<Uint8Array> {
    return deriveMac(await this.active(tenantId), purpose, bytes);
  }

  async destroyAll(tenantId: string): Promise<void> {
    const rows = await withTenant(this.#db, serviceScope(tenantId), (tx) =>
      tx.deleteFrom("data_keys").returning("id").execute(),
    );
    this.#active.delete(tenantId);
    for (const { id } of rows) this.#byId.delete(id);
  }

  async #load(tenantId: string, id: string): Promise<DataKey> {
    const row = await withTenant(this.#db, serviceScope(tenantId), (tx) =>
      tx.selectFrom("data_keys").select(["kek_id", "wrapped"]).where("id", "=", id).executeTakeFirst(),
    );
    if (row === undefined) throw gone();
    const wrapped = { kekId: row.kek_id, bytes: row.wrapped };
    return importDataKey(id, await this.#provider.unwrap(wrapped, { tenantId, dataKeyId: id }));
  }

  async #findActive(tenantId: string): Promise<DataKey | undefined> {
    const id = await withTenant(this.#db, serviceScope(tenantId), activeId);
    return id === undefined ? undefined : this.get(tenantId, id);
  }

  /** Two processes may race here: one key wins, both use it. */
  async #create(tenantId: string): Promise<DataKey> {
    const made = generateDataKey();
    using bytes = exportDataKey(made);
    const context = { tenantId, dataKeyId: made.id };
    const wrapped = await bytes.expose((material) => this.#provider.wrap(material, context));
    const winner = await withTenant(this.#db, serviceScope(tenantId), async (tx) => {
      await tx
        .insertInto("data_keys")
        .values({ tenant_id: tenantId, id: made.id, kek_id: wrapped.kekId, wrapped: wrapped.bytes })
        .onConflict((conflict) => conflict.column("tenant_id").where("state", "=", "active").doNothing())
        .execute();
      return activeId(tx);
    });
    if (winner === undefined) throw gone();
    return await this.get(tenantId, winner);
  }
}

async function activeId(tx: TenantTx): Promise<string | undefined> {
  const row = await tx.selectFrom("data_keys").select("id").where("state", "=", "active").executeTakeFirst();
  return row?.id;
}

function gone(): KeyholdError {
  return new KeyholdError("key_unavailable", "The data key of this secret is not available.");
}
