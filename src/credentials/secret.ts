import { storeNames } from "../config/stores.ts";
import type { Secret } from "../crypto/secret.ts";
import { KeyholdError } from "../errors.ts";
import type { Denied, Unavailable } from "../remote/failure.ts";
import type { Store, Stores } from "../stores/store.ts";
import { problemOf } from "../venues/traits.ts";
import type { FieldName, SecretFields, VenueDescription } from "../venues/venue.ts";

/** Secrets that end with the scope that holds them. */
export class OwnedFields extends Map<FieldName, Secret> implements Disposable {
  [Symbol.dispose](): void {
    for (const secret of this.values()) secret[Symbol.dispose]();
  }
}

/** Copies of the fields, in buffers of their own: the originals may end before the copies. */
export function copyFields(fields: SecretFields): OwnedFields {
  return new OwnedFields([...fields].map(([name, secret]) => [name, secret.copy()]));
}

/**
 * Throws `malformed` unless the fields are those that the venue needs, each of a form that it could accept.
 * The message names fields, never values.
 */
export function assertFields(venue: VenueDescription, fields: SecretFields): void {
  const problems = [
    ...venue.fields.filter((name) => !fields.has(name)).map((name) => `${name} is missing`),
    ...[...fields.keys()]
      .filter((name) => !venue.fields.includes(name))
      .map((name) => `${name} is not used here`),
    ...[...fields].flatMap(([name, secret]) => formProblem(venue.id, name, secret)),
  ];
  if (problems.length === 0) return;
  throw new KeyholdError("malformed", `The secret does not fit ${venue.name}: ${problems.join("; ")}.`, {
    facts: { errors: problems, fields: venue.fields },
  });
}

/** The same for a replacement, which may send only some of the fields. */
export function assertSomeFields(venue: VenueDescription, fields: SecretFields): void {
  const needed = venue.fields.filter((name) => fields.has(name));
  if (needed.length === 0) {
    throw new KeyholdError("malformed", `Send at least one of the fields that ${venue.name} uses.`, {
      facts: { fields: venue.fields },
    });
  }
  assertFields({ ...venue, fields: needed }, fields);
}

function formProblem(venue: string, name: FieldName, secret: Secret): readonly string[] {
  const problem = secret.expose((bytes) => problemOf(venue, name, bytes));
  return problem === undefined ? [] : [`${name} ${problem}`];
}

/** The store that a row names. Throws `store_denied` when it is not configured. */
export function storeOf(stores: Stores, name: string): Store {
  const known = storeNames.find((one) => one === name);
  const store = known === undefined ? undefined : stores.get(known);
  if (store !== undefined) return store;
  throw new KeyholdError(
    "store_denied",
    `The secret rests in the store ${name}, which is not configured. The operator has to name it.`,
    { facts: { store: name, reason: "not_configured" } },
  );
}

/**
 * The error for a caller when a store failed. The reason is one word of a closed set, which the guide to the
 * stores explains; the store's own words are not passed on.
 */
export function troubleOf(store: string, { outcome, reason }: Denied | Unavailable): KeyholdError {
  const facts = { store, reason };
  return outcome === "unavailable"
    ? new KeyholdError("store_unavailable", "The secret store cannot be reached now. Try again later.", {
        facts,
      })
    : new KeyholdError("store_denied", "The secret store refused Keyhold. The operator has to mend this.", {
        facts,
      });
}

/** The error for a version that the database counts on, and that was destroyed or moved behind Keyhold's back. */
export function lost(store: string): KeyholdError {
  return new KeyholdError(
    "secret_lost",
    "The secret store does not hold this secret any more. Replace the secret, or let the operator restore the store.",
    { facts: { store } },
  );
}

/**
 * The error for bytes that were changed, or belong to another credential. A writer of the store can cause
 * this, and opens nothing by it.
 */
export function damaged(store: string, cause: unknown): KeyholdError {
  return new KeyholdError(
    "secret_damaged",
    "What the secret store holds is not what Keyhold sealed for this credential: it was changed there, or moved from another place. Tell the operator.",
    { facts: { store, reason: "tampered" }, cause },
  );
}
