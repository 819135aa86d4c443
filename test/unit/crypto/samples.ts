import { randomBytes, randomUUID } from "node:crypto";
import { asSealed, open, type SealContext } from "../../../src/crypto/envelope.ts";
import { importDataKey, type DataKey } from "../../../src/crypto/keys.ts";
import type { Secret } from "../../../src/crypto/secret.ts";

/** A key with known bytes, for tests that must compute what the code under test computes. */
export function knownKey(id: string = randomUUID()): { key: DataKey; material: Buffer } {
  const material = randomBytes(32);
  return { key: importDataKey(id, Buffer.from(material)), material };
}

export function someContext(changes: Partial<SealContext> = {}): SealContext {
  return { tenantId: randomUUID(), credentialId: randomUUID(), version: 1, field: "api_secret", ...changes };
}

export function textOf(secret: Secret): string {
  return secret.expose((bytes) => Buffer.from(bytes).toString());
}

/** What a reader of a store does: recognises the bytes, opens them, and reads the text. */
export function openText(key: DataKey, context: SealContext, bytes: Uint8Array): string {
  using plaintext = open(key, context, asSealed(bytes));
  return textOf(plaintext);
}

export function failureOf(act: () => unknown): unknown {
  try {
    act();
  } catch (failure) {
    return failure;
  }
  return undefined;
}
