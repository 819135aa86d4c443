import type { DataKey } from "../crypto/keys.ts";

/** What a wrapped data key is bound to: under another tenant or id it does not unwrap. */
export type WrapContext = Readonly<{ tenantId: string; dataKeyId: string }>;

export type WrappedKey = Readonly<{ kekId: string; bytes: Uint8Array }>;

/**
 * Has key-encryption keys and wraps data keys with them. `wrap` uses the newest key. `unwrap` opens what any
 * known key wrapped, and zeroes nothing of its input. Throws `KeyholdError("key_unavailable")` when the
 * provider cannot be reached or does not know `kekId`, and when the bytes do not authenticate under the
 * context.
 */
export interface KeyProvider {
  readonly kind: "file" | "transit" | "aws-kms";
  /** Identity of the newest key-encryption key: a fingerprint or an ARN, never key material. */
  readonly kekId: string;
  /** Whether it unwraps what this key wrapped. Throws `key_unavailable` when that is unknown now. */
  knows(kekId: string): Promise<boolean>;
  wrap(dataKey: Uint8Array, context: WrapContext): Promise<WrappedKey>;
  unwrap(wrapped: WrappedKey, context: WrapContext): Promise<Uint8Array>;
}

/** A data key as the database stores it: wrapped. */
export type KeptDataKey = Readonly<{ id: string; kekId: string; wrapped: Uint8Array }>;

/** The reason in `key_unavailable` where a tenant has no data key of that id. */
export const unknownDataKey = "unknown_data_key";

/** The data keys of all tenants, as handles that seal and open. */
export interface DataKeySource {
  /** The key that wraps new data keys. */
  readonly newestKekId: string;
  /** The key with this id. Throws `key_unavailable` when it was destroyed or cannot be unwrapped. */
  get(tenantId: string, id: string): Promise<DataKey>;
  /**
   * The key that seals new secrets of a tenant, after `values` are added to its count. It is made for the
   * tenant's first secret. Throws `key_unavailable` when it has reached the limit of a key.
   */
  toSeal(tenantId: string, values: number): Promise<DataKey>;
  /**
   * A MAC that only this installation can make, bound to tenant and purpose; the same before and after keys
   * are rotated.
   */
  mac(tenantId: string, purpose: string, bytes: Uint8Array): Promise<Uint8Array>;
  /** Loads the key that makes MACs, if the tenant has one, so that `mac` needs no database for a while. */
  warmMac(tenantId: string): Promise<void>;
  /**
   * Makes the MAC key of a tenant that is being created. It is in use from now on, and the caller stores it.
   */
  beginMac(tenantId: string): Promise<KeptDataKey>;
  /** A new key, wrapped by the newest key-encryption key. The caller stores it. */
  make(tenantId: string): Promise<KeptDataKey>;
  /** The same key, wrapped by the newest key-encryption key. */
  rewrap(tenantId: string, kept: KeptDataKey): Promise<KeptDataKey>;
  /** Drops the handle of a destroyed key. */
  forget(id: string): void;
  /** Destroys the data keys of a tenant, so that none of its secrets can be opened again. */
  destroyAll(tenantId: string): Promise<void>;
}
