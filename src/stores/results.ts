import { EnvelopeError } from "../crypto/envelope.ts";
import { type PackedRecord, unpackRecord } from "../crypto/packed-fields.ts";
import type { Denied, DeniedReason, GetResult, PutResult, Unavailable, UnavailableReason } from "./store.ts";

export function unavailable(reason: UnavailableReason): Unavailable {
  return { outcome: "unavailable", reason };
}

export function denied(reason: DeniedReason): Denied {
  return { outcome: "denied", reason };
}

/** What a store kept as one byte string. Bytes that are no packed record were not written by Keyhold. */
export function found(bytes: Uint8Array): GetResult {
  try {
    return { outcome: "found", fields: unpackRecord(bytes) };
  } catch (error) {
    if (error instanceof EnvelopeError) return denied("foreign");
    throw error;
  }
}

/** For a version that exists already: the same bytes were written before, by a call whose answer was lost. */
export function compare(present: Uint8Array | undefined, sealed: PackedRecord): PutResult {
  const same = present !== undefined && Buffer.compare(present, sealed) === 0;
  return same ? { outcome: "written" } : { outcome: "conflict" };
}
