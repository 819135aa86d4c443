import type { StoreName } from "../config/stores.ts";
import { assertUuid } from "../crypto/bytes.ts";
import { EnvelopeError, type Sealed } from "../crypto/envelope.ts";
import { type PackedRecord, unpackRecord } from "../crypto/packed-fields.ts";
import { type Denied, denied, type Unavailable } from "../remote/failure.ts";

/**
 * One version of one credential's secret. Every id is a UUID that Keyhold made, so no path can be escaped.
 */
export type SecretRef = Readonly<{
  tenantId: string;
  credentialId: string;
  venue: string;
  environment: string;
  version: number;
}>;

/** Field name (`api_key`, `api_secret`, `passphrase` …) → sealed bytes. A store never sees plaintext. */
export type SealedFields = ReadonlyMap<string, Sealed>;

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

/**
 * Where sealed secrets rest. Failures are data, not exceptions: `unavailable` is indefinite (time-out, 5xx,
 * sealed), `denied` waits for an operator (the store refuses Keyhold, or holds a value that Keyhold did not
 * write), and `absent` is definite.
 */
export interface Store {
  readonly name: StoreName;
  /** What a store can do beside look-ups. A store that does not write answers `put` with `denied`. */
  readonly capabilities: Readonly<{ writes: boolean }>;
  /**
   * Each version is written once. The same bytes again are `written`, for a retry after a lost answer. Other
   * bytes under an existing version are a `conflict`, and change nothing.
   */
  put(ref: SecretRef, fields: SealedFields): Promise<PutResult>;
  get(ref: SecretRef): Promise<GetResult>;
  /** Removes the version for good. A version that does not exist is `destroyed` too. */
  destroy(ref: SecretRef): Promise<Readonly<{ outcome: "destroyed" }> | Unavailable | Denied>;
  health(): Promise<Readonly<{ outcome: "healthy" }> | Unavailable | Denied>;
}

/** The stores that are configured. A credential is read only from the one that its row names. */
export interface Stores {
  /** Where new secrets go. */
  readonly first: Store;
  get(name: StoreName): Store | undefined;
}

/**
 * Throws `TypeError` unless each part has the form that Keyhold makes. Parts become paths and names: they
 * must not lead out of their folder, and must have one spelling.
 */
export function assertRef({ tenantId, credentialId, venue, environment, version }: SecretRef): void {
  assertUuid(tenantId, "tenantId");
  assertUuid(credentialId, "credentialId");
  if (!isWord(venue)) throw new TypeError("venue must be a lower-case word");
  if (!isWord(environment)) throw new TypeError("environment must be a lower-case word");
  if (!Number.isSafeInteger(version) || version < 1) throw new TypeError("version must be a positive number");
}

function isWord(text: string): boolean {
  return /^[a-z0-9_]{1,64}$/.test(text);
}

/**
 * The answer of a store that keeps the fields as one byte string. Keyhold did not write bytes that are no
 * packed record.
 */
export function found(bytes: Uint8Array): GetResult {
  try {
    return { outcome: "found", fields: unpackRecord(bytes) };
  } catch (error) {
    if (error instanceof EnvelopeError) return denied("foreign");
    throw error;
  }
}

/** For a version that exists: equal bytes come from an earlier call whose answer was lost. */
export function compare(present: Uint8Array | undefined, sealed: PackedRecord): PutResult {
  const same = present !== undefined && Buffer.compare(present, sealed) === 0;
  return same ? { outcome: "written" } : { outcome: "conflict" };
}
