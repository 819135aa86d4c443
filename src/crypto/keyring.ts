import { KeyholdError } from "../errors.ts";
import type { DataKey } from "./data-key.ts";
import { open, seal, sealedWith } from "./envelope.ts";
import type { SealContext, Sealed } from "./envelope.ts";
import type { Secret } from "./secret.ts";

/** The versions of one tenant's data key: the newest seals, every one of them opens. */
export type Keyring = Readonly<{ newest: DataKey; byId: ReadonlyMap<string, DataKey> }>;

/** Throws `TypeError` when two keys share an id. */
export function createKeyring(newest: DataKey, ...older: readonly DataKey[]): Keyring {
  const keys = [newest, ...older];
  const byId = new Map(keys.map((key) => [key.id, key]));
  if (byId.size !== keys.length) throw new TypeError("two data keys of a keyring share an id");
  return { newest, byId };
}

/** The key that a value was sealed with. Throws `KeyholdError("key_unavailable")` when the ring does not hold it. */
export function keyOf(ring: Keyring, sealed: Sealed): DataKey {
  const id = sealedWith(sealed);
  const key = ring.byId.get(id);
  if (key === undefined) {
    throw new KeyholdError("key_unavailable", "The data key that seals this secret is not available.", {
      facts: { data_key_id: id },
    });
  }
  return key;
}

export function sealWithNewest(ring: Keyring, context: SealContext, plaintext: Secret): Sealed {
  return seal(ring.newest, context, plaintext);
}

/** Throws what `open` and `keyOf` throw. */
export function openWithRing(ring: Keyring, context: SealContext, sealed: Sealed): Secret {
  return open(keyOf(ring, sealed), context, sealed);
}

/**
 * Brings a value under the newest key; the plaintext never leaves a `Secret`. A value that is there already is
 * returned as it is, so a rotation that was interrupted can simply run again.
 */
export function rewrap(ring: Keyring, context: SealContext, sealed: Sealed): Sealed {
  if (sealedWith(sealed) === ring.newest.id) return sealed;
  using plaintext = openWithRing(ring, context, sealed);
  return seal(ring.newest, context, plaintext);
}
