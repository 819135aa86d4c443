import { KeyholdError } from "../errors.ts";
import { type Store, type Stores } from "../stores/store.ts";
import type { Denied, Unavailable } from "../remote/failure.ts";
import { storeNames } from "../config/stores.ts";

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
