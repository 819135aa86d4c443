import type { Environment } from "../venue.ts";
import type { KeyFailure } from "../venue-keys.ts";

/**
 * What the serving process asks of a venue process about keys. The credentials travel beside it, sealed: the parent,
 * the current key, and for `revokeKey` the key to delete.
 */
export type KeyJob = Readonly<{ venue: string; environment: Environment }> &
  (
    | Readonly<{ verb: "createKey"; marker: string }>
    | Readonly<{ verb: "findKey"; marker: string }>
    | Readonly<{ verb: "revokeKey" }>
  );

/** `sealed`: fields for the serving process, sealed to the key that came with the job. */
export type KeyAnswer =
  | Readonly<{ outcome: "created" | "exists" | "found"; sealed: Uint8Array }>
  | Readonly<{ outcome: "revoked" }>
  | Readonly<{ outcome: "absent" }>
  | KeyFailure;
