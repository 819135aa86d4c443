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

/** Why a store gave no definite answer, in words for the operator. A copy may stand in for a while. */
export const unavailableReasons = {
  timeout: "The store did not answer in time.",
  unreachable: "No connection to the store could be made, or it broke.",
  untrusted: "The store's certificate is not trusted: check the authority that is configured, and its name.",
  sealed: "The store is sealed or not initialised: unseal it.",
  overloaded: "The store refuses for now because it gets too many requests.",
  failing: "The store answers with errors of its own, or with what no such store answers.",
  circuit_open: "The store failed again and again, and is left alone for some seconds.",
} as const;
export type UnavailableReason = keyof typeof unavailableReasons;

/** Why a store refused, in words for the operator, who alone can mend it. No copy may stand in. */
export const deniedReasons = {
  token: "The store does not accept Keyhold's token: it was revoked, or it ended and cannot be renewed.",
  login: "The store refuses Keyhold's login: check the role, and whether its secret has ended.",
  policy: "The store's policy does not let Keyhold do this: compare it with the one in the guide.",
  no_mount: "The store has no secrets engine at the configured mount.",
  wrong_engine: "The engine at the configured mount is not a key-value engine of version 2.",
  foreign: "What the store holds under this version is not what Keyhold wrote.",
  read_only: "The store is read-only.",
  invalid: "The store does not take what Keyhold sent: it is too large, or the store is set up otherwise.",
} as const;
export type DeniedReason = keyof typeof deniedReasons;

export type Unavailable = Readonly<{ outcome: "unavailable"; reason: UnavailableReason }>;
export type Denied = Readonly<{ outcome: "denied"; reason: DeniedReason }>;

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

/** What a store can do beside looking up. A store that does not write answers `put` with `denied`. */
export type StoreCapabilities = Readonly<{ writes: boolean }>;

/**
 * Where sealed secrets rest. Failures are data, not exceptions: `unavailable` is indefinite (time-out, 5xx, sealed),
 * `denied` waits for an operator (a refusal of Keyhold itself, or a value that it did not write), `absent` is definite.
 */
export interface Store {
  readonly name: StoreName;
  readonly capabilities: StoreCapabilities;
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
