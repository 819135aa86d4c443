import { assertUuid } from "../crypto/uuid.ts";
import type { SecretRef } from "./store.ts";

/**
 * Throws `TypeError` unless every part is of the form that Keyhold itself makes: parts become paths and names, and must not
 * lead out of their place or have two spellings.
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
