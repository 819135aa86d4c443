import { LRUCache } from "lru-cache";

export type Bounds = Readonly<{ bytes: number; bytesPerTenant: number }>;

type Held<V> = Readonly<{ tenantId: string; value: V }>;

/**
 * Values of many tenants within bounds: of one tenant that takes too much its own least recently used go first, and of all
 * together the least recently used.
 */
export class TenantBounded<V extends object> {
  readonly #bytesPerTenant: number;
  readonly #values: LRUCache<string, Held<V>>;
  /** The keys of each tenant, in the order of their use. */
  readonly #keys = new Map<string, LRUCache<string, true>>();

  constructor({ bytes, bytesPerTenant }: Bounds) {
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

  /** A value that is larger than what one tenant may take is not kept. */
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
