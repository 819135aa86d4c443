import type { Sealed } from "../crypto/envelope.ts";

/** One version of one credential's secret. Every id is a UUID that Keyhold made, so no path can be escaped. */
export type SecretRef = Readonly<{
  tenantId: string;
  credentialId: string;
  venue: string;
  environment: string;
  version: number;
}>;

/** Field name (`api_key`, `api_secret`, `passphrase` …) → sealed bytes. A store never sees plaintext. */
export type SealedFields = ReadonlyMap<string, Sealed>;

export type Unavailable = Readonly<{ outcome: "unavailable"; reason: string }>;
export type Denied = Readonly<{ outcome: "denied"; reason: string }>;

export type PutResult =
  | Readonly<{ outcome: "written" }>
  | Readonly<{ outcome: "conflict" }>
  | Unavailable
  | Denied;
export type GetResult =
  | Readonly<{ outcome: "found"; fields: SealedFields }>
  | Readonly<{ outcome: "absent" }>
  | Unavailable
  | Denied;
export type DestroyResult = Readonly<{ outcome: "destroyed" }> | Unavailable | Denied;
export type StoreHealth = Readonly<{ outcome: "healthy" }> | Unavailable | Denied;

/**
 * Where sealed secrets rest. Failures are data, not exceptions: `unavailable` is indefinite (time-out, 5xx, sealed),
 * `denied` is a refusal of Keyhold itself, `absent` is definite.
 */
export interface Store {
  readonly name: StoreName;
  /**
   * Write-once per version. Writing the same bytes again is `written` (a retry after a lost answer);
   * other bytes under a version that exists are a `conflict`, and nothing changes.
   */
  put(ref: SecretRef, fields: SealedFields): Promise<PutResult>;
  get(ref: SecretRef): Promise<GetResult>;
  /** Removes the version for good. A version that is not there is `destroyed` too. */
  destroy(ref: SecretRef): Promise<DestroyResult>;
  health(): Promise<StoreHealth>;
}

export const storeNames = ["postgres", "vault", "aws", "file", "env"] as const;
export type StoreName = (typeof storeNames)[number];

/** The stores that are configured. A credential is read only from the one that its row names. */
export interface Stores {
  /** Where new secrets go. */
  readonly first: Store;
  get(name: StoreName): Store | undefined;
}
