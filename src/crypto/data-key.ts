import { createSecretKey, generateKeySync, randomUUID } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { keyBytes } from "./aes-gcm.ts";
import { Secret } from "./secret.ts";
import { assertUuid } from "./uuid.ts";

/**
 * A key that seals. It lives long, so it is a `KeyObject`: its bytes lie outside the JavaScript heap, print nowhere
 * and are cleansed when it is freed.
 */
export type DataKey = Readonly<{ id: string; key: KeyObject }>;

export function generateDataKey(): DataKey {
  return { id: randomUUID(), key: generateKeySync("aes", { length: keyBytes * 8 }) };
}

/** Makes a data key of unwrapped bytes and zeroes them. Throws `TypeError` for another length or a malformed id. */
export function importDataKey(id: string, material: Uint8Array): DataKey {
  assertUuid(id, "a data key's id");
  if (material.byteLength !== keyBytes) throw new TypeError(`a data key has ${keyBytes} bytes`);
  const key = createSecretKey(material);
  material.fill(0);
  return { id, key };
}

/** The key's bytes, to be wrapped. */
export function exportDataKey(key: DataKey): Secret {
  return Secret.take(key.key.export());
}
