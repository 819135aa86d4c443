import type { DataKey } from "../crypto/keys.ts";

/** What a wrapped data key is bound to: moved to another tenant or id, it does not unwrap. */
export type WrapContext = Readonly<{ tenantId: string; dataKeyId: string }>;

export type WrappedKey = Readonly<{ kekId: string; bytes: Uint8Array }>;

/**
 * Holds key-encryption keys and wraps data keys with them.
 * `wrap` uses the newest key; `unwrap` opens what any known key wrapped and zeroes nothing of its input.
 * Throws `KeyholdError("key_unavailable")` when the provider cannot be reached or does not know `kekId`,
 * and when the bytes do not authenticate under the context.
 */
export interface KeyProvider {
  readonly kind: "file" | "transit" | "aws-kms";
  /** Identity of the newest key-encryption key: a fingerprint or an ARN, never key material. */
  readonly kekId: string;
  /** Whether it unwraps what this key wrapped. Throws `key_unavailable` when that cannot be told now. */
  knows(kekId: string): Promise<boolean>;
  wrap(dataKey: Uint8Array, context: WrapContext): Promise<WrappedKey>;
  unwrap(wrapped: WrappedKey, context: WrapContext): Promise<Uint8Array>;
}

/** A data key as it is kept: wrapped. */
export type KeptDataKey = Readonly<{ id: string; kekId: string; wrapped: Uint8Array }>;

/** The reason in `key_unavailable` where a tenant has no data key of that id. */
export const unknownDataKey = "unknown_data_key";

/** The data keys of all tenants, as handles that seal and open. */
export interface DataKeySource {
  /** What wraps new data keys. */
  readonly newestKekId: string;
  /** The key with this id. Throws `key_unavailable` when it is gone or cannot be unwrapped. */
  get(tenantId: string, id: string): Promise<DataKey>;
  /**
   * The key that seals new secrets of a tenant, with so many values counted against it; made at the tenant's first secret.
   * Throws `key_unavailable` when it has sealed as much as a key may.
   */
  toSeal(tenantId: string, values: number): Promise<DataKey>;
  /** A MAC that only this installation can make, bound to tenant and purpose; the same before and after keys are rotated. */
  mac(tenantId: string, purpose: string, bytes: Uint8Array): Promise<Uint8Array>;
  /** Loads the key that makes MACs, so that `mac` asks no database for a while. Nothing for a tenant that has none yet. */
  warmMac(tenantId: string): Promise<void>;
  /** The key that makes the MACs of a tenant that is being created: in use from now on, and kept by the caller. */
  beginMac(tenantId: string): Promise<KeptDataKey>;
  /** A new key, wrapped by the newest key-encryption key, which the caller keeps. */
  make(tenantId: string): Promise<KeptDataKey>;
  /** The same key, wrapped by the newest key-encryption key. */
  rewrap(tenantId: string, kept: KeptDataKey): Promise<KeptDataKey>;
  /** Drops the handle of a key that is gone. */
  forget(id: string): void;
  /** Ends every secret of a tenant for good: what they were sealed with is gone. */
  destroyAll(tenantId: string): Promise<void>;
}
