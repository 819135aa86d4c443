import { LRUCache } from "lru-cache";
import { packRecord } from "../crypto/packed-fields.ts";
import { found, type GetResult, type SecretRef, type Store } from "./store.ts";

/** The source of an answer: a fresh copy, an older copy because the store was unavailable, or the store. */
export type LookUp = "fresh" | "grace" | "store";

export type SealedCacheOptions = Readonly<{
  bytes?: number;
  bytesPerTenant?: number;
  /** For how many milliseconds after a good read the store is not asked. */
  freshMs?: number;
  /** For how many milliseconds after the last good read a copy is used while the store is unavailable. */
  graceMs?: number;
  /** Milliseconds since some moment; never set back. */
  now?: () => number;
  onLookUp?: (lookUp: LookUp) => void;
}>;

const minute = 60_000;
const mebibyte = 1024 * 1024;
/** A rough size of an entry beside its bytes. */
const overheadBytes = 512;

/**
 * The same store, with copies of what it returned, still sealed. A copy gives no right: the record judges at
 * each use whether a secret may be opened, so an outdated copy is harmless. After its fresh time a copy is
 * used only while the store is `unavailable`; a refusal or an absence removes it.
 */
export function sealedCache(store: Store, options: SealedCacheOptions = {}): Store {
  const cache = new SealedCache(store, options);
  return {
    name: store.name,
    capabilities: store.capabilities,
    put: (ref, fields) => store.put(ref, fields),
    get: (ref) => cache.get(ref),
    destroy: async (ref) => {
      cache.forget(ref);
      const answer = await store.destroy(ref);
      // Also what reads stored that began meanwhile.
      cache.forget(ref);
      return answer;
    },
    health: () => store.health(),
  };
}

class SealedCache {
  readonly #store: Pick<Store, "get">;
  readonly #entries: TenantBounded<Readonly<{ sealed: Uint8Array; readAt: number }>>;
  readonly #reads = new Map<string, Promise<GetResult>>();
  readonly #freshMs: number;
  readonly #graceMs: number;
  readonly #now: () => number;
  readonly #onLookUp: (lookUp: LookUp) => void;

  constructor(store: Pick<Store, "get">, options: SealedCacheOptions) {
    const { bytes = 64 * mebibyte, bytesPerTenant = 4 * mebibyte } = options;
    this.#store = store;
    this.#entries = new TenantBounded({ bytes, bytesPerTenant });
    this.#freshMs = options.freshMs ?? 5 * minute;
    this.#graceMs = options.graceMs ?? 60 * minute;
    this.#now = options.now ?? (() => performance.now());
    this.#onLookUp = options.onLookUp ?? (() => undefined);
  }

  async get(ref: SecretRef): Promise<GetResult> {
    const key = keyOf(ref);
    const fresh = this.#younger(key, this.#freshMs);
    if (fresh !== undefined) return this.#answer("fresh", found(fresh.sealed));
    const answer = await (this.#reads.get(key) ?? this.#read(key, ref));
    // Looked up only now, because the copy may have been removed or become too old while the store did not
    // answer.
    const kept = answer.outcome === "unavailable" ? this.#younger(key, this.#graceMs) : undefined;
    return kept === undefined ? this.#answer("store", answer) : this.#answer("grace", found(kept.sealed));
  }

  forget(ref: SecretRef): void {
    const key = keyOf(ref);
    this.#entries.delete(key);
    this.#reads.delete(key);
  }

  /**
   * One read serves all callers that ask at the same time. Its answer is not kept if the version was
   * forgotten meanwhile.
   */
  #read(key: string, ref: SecretRef): Promise<GetResult> {
    const readAt = this.#now();
    const read = this.#store
      .get(ref)
      .then((answer) => {
        if (this.#reads.get(key) === read) this.#keep(key, ref, answer, readAt);
        return answer;
      })
      .finally(() => {
        if (this.#reads.get(key) === read) this.#reads.delete(key);
      });
    this.#reads.set(key, read);
    return read;
  }

  #keep(key: string, { tenantId }: SecretRef, answer: GetResult, readAt: number): void {
    if (answer.outcome === "unavailable") return;
    if (answer.outcome !== "found") return this.#entries.delete(key);
    // A copy, because the fields can be views of a larger buffer.
    const sealed = new Uint8Array(packRecord(answer.fields));
    this.#entries.set(tenantId, key, { sealed, readAt }, sealed.byteLength + overheadBytes);
  }

  #younger(key: string, limit: number) {
    const entry = this.#entries.get(key);
    return entry !== undefined && this.#now() - entry.readAt < limit ? entry : undefined;
  }

  #answer(lookUp: LookUp, answer: GetResult): GetResult {
    this.#onLookUp(lookUp);
    return answer;
  }
}

function keyOf({ tenantId, venue, environment, credentialId, version }: SecretRef): string {
  return `${tenantId}/${venue}/${environment}/${credentialId}/${version}`;
}

/**
 * Values of many tenants within bounds. A tenant over its bound loses its own least recently used values;
 * over the total bound the least recently used values of all tenants go.
 */
class TenantBounded<V extends object> {
  readonly #bytesPerTenant: number;
  readonly #values: LRUCache<string, Readonly<{ tenantId: string; value: V }>>;
  /** The keys of each tenant, in the order of use. */
  readonly #keys = new Map<string, LRUCache<string, true>>();

  constructor({ bytes, bytesPerTenant }: Readonly<{ bytes: number; bytesPerTenant: number }>) {
    this.#bytesPerTenant = Math.min(bytes, bytesPerTenant);
    this.#values = new LRUCache({
      maxSize: bytes,
      disposeAfter: ({ tenantId }, key, reason) => {
        if (reason !== "set") this.#forget(tenantId, key);
      },
    });
  }

  get(key: string): V | undefined {
    const held = this.#values.get(key);
    if (held !== undefined) this.#keys.get(held.tenantId)?.get(key);
    return held?.value;
  }

  /** A value larger than the bound of one tenant is not kept. */
  set(tenantId: string, key: string, value: V, bytes: number): void {
    const keys = this.#keys.get(tenantId) ?? this.#addTenant(tenantId);
    keys.set(key, true, { size: bytes });
    if (keys.has(key)) this.#values.set(key, { tenantId, value }, { size: bytes });
    else this.delete(key);
  }

  delete(key: string): void {
    this.#values.delete(key);
  }

  #addTenant(tenantId: string): LRUCache<string, true> {
    const keys = new LRUCache<string, true>({
      maxSize: this.#bytesPerTenant,
      disposeAfter: (_, key, reason) => {
        if (reason === "evict") this.#values.delete(key);
      },
    });
    this.#keys.set(tenantId, keys);
    return keys;
  }

  #forget(tenantId: string, key: string): void {
    const keys = this.#keys.get(tenantId);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(tenantId);
  }
}
