import { createHash } from "node:crypto";
import type { Environment, FieldName, SecretFields } from "./venue.ts";
import type { Indefinite } from "./verdict.ts";

/** Why a venue, or Keyhold before it, said no: nothing was created or deleted. */
export type KeyRefusalReason =
  /** Not by API: this environment, this kind of account, or this kind of key. */
  | "unsupported"
  /** A credential lacks a field, or a field or the marker has a form that no venue takes. */
  | "malformed"
  | "parent_rejected"
  | "parent_lacks_permission"
  | "parent_ip_not_allowed"
  /** The venue refuses the key in force, so it cannot be asked where that key belongs. */
  | "current_rejected"
  /** The key in force is not among those of a sub-account of the parent. */
  | "not_a_sub_account"
  /** The key in force has a right or a binding that the API gives to no new key. */
  | "not_inheritable"
  | "limit_reached"
  /**
   * Anything else that the venue refuses, in its own words. Its codes for keys are hardly documented, so a
   * careful caller looks for the marker after a creation that ended so as well.
   */
  | "refused";

/** After an indefinite one, what was asked may have happened, and may still happen for `settlesAfterMs`. */
export type KeyFailure =
  | Readonly<{ outcome: "refused"; reason: KeyRefusalReason; message: string }>
  | Indefinite;

export type KeyCreation =
  /** Everything that a credential of this venue needs. The caller owns the secrets. */
  | Readonly<{ outcome: "created"; fields: SecretFields }>
  /**
   * A key with this marker is there already. Venues show a secret once, so this one's is lost: revoke `key`,
   * then create another.
   */
  | Readonly<{ outcome: "exists"; key: SecretFields }>
  | KeyFailure;

export type KeySearch =
  /** What `revoke` needs to know of the key; never its secret. The caller owns the fields. */
  Readonly<{ outcome: "found"; key: SecretFields }> | Readonly<{ outcome: "absent" }> | KeyFailure;

export type KeyRevocation =
  | Readonly<{ outcome: "revoked" }>
  /** The sub-account has no such key (any more). */
  | Readonly<{ outcome: "absent" }>
  | KeyFailure;

/** Whose keys are managed. Every field is borrowed. */
export type KeyTarget = Readonly<{
  /** For whom the keys are managed. */
  tenantId: string;
  environment: Environment;
  /** A key of the main account, with the right to manage the keys of its sub-accounts. */
  parent: SecretFields;
  /** A working key of the sub-account: it shows where a key belongs, and what a new one inherits. */
  current: SecretFields;
}>;

/** What can be known of the management of keys at a venue without asking it. */
export type KeyManagement = Readonly<{
  venue: string;
  name: string;
  environments: readonly Environment[];
  /** Fields that parent and current key must have. */
  fields: readonly FieldName[];
  /** Characters that the venue leaves for the note on a key; Keyhold's markers must fit. */
  longestMarker: number;
  /**
   * How long after it was sent a request may still take effect: the window in which the venue accepts its
   * signature. Before that an `absent` of `find` is not the last word on a creation whose answer was lost.
   */
  settlesAfterMs: number;
}>;

/**
 * Creates, finds and deletes the API keys of a sub-account, on behalf of its main account. Like the rest of a
 * venue's code it runs in the venue processes: no string of a secret exists in the serving process.
 *
 * Nothing here throws for what a venue answers, and nothing is asked twice: after an indefinite outcome of
 * `create` the caller looks for the marker. `create` looks too before it creates, so it can be called again.
 */
export interface VenueKeys {
  readonly description: KeyManagement;
  /**
   * A new key in the sub-account of the current one, with the rights and the addresses that the venue says
   * the current one has. `marker` goes into the note on the key; see `markerOf`.
   */
  create(target: KeyTarget, marker: string): Promise<KeyCreation>;
  /** The key with this marker in the sub-account of the current key. */
  find(target: KeyTarget, marker: string): Promise<KeySearch>;
  /**
   * Deletes `key` from the sub-account of the current key; it is refused by the venue from then on. `key`
   * needs its `api_key`, and its `passphrase` where the venue has them.
   */
  revoke(target: KeyTarget, key: SecretFields): Promise<KeyRevocation>;
}

const prefix = "kh";
const digits = 18;

/**
 * The note that marks the key of one rotation at the venue, chosen before the key exists so that it can be
 * found when the answer to its creation was lost. The same for the same intent; it shows nothing of it.
 *
 * 20 characters, a letter first, then lower-case letters and digits: the one form that every venue here
 * accepts (Bitget wants a letter first and at most 20, KuCoin at most 24).
 */
export function markerOf(intent: string): string {
  const hash = createHash("sha256").update("keyhold rotation 1\n").update(intent).digest("hex");
  const number = BigInt(`0x${hash}`) % 36n ** BigInt(digits);
  return prefix + number.toString(36).padStart(digits, "0");
}

const form = /^[a-z][a-z0-9]{7,}$/;

export function isMarker(text: string, longest: number): boolean {
  return form.test(text) && text.length <= longest;
}
