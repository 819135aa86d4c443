import { createHash, randomBytes } from "node:crypto";

const marker = "kh_";
/** 256 bits, in base64url. */
const form = /^kh_[A-Za-z0-9_-]{43}$/;
const prefixLength = 10;

/** A key as its owner sees it, once. */
export type NewApiKey = Readonly<{ key: string; prefix: string; hash: Uint8Array }>;

/** Makes a key. Of it the database keeps the prefix, to recognise it by, and the hash. */
export function makeApiKey(): NewApiKey {
  const key = marker + randomBytes(32).toString("base64url");
  return { key, prefix: key.slice(0, prefixLength), hash: hashApiKey(key) };
}

export function isApiKey(text: string): boolean {
  return form.test(text);
}

/**
 * SHA-256: with 256 random bits there is nothing to guess, so no slow hash is needed. Keys are looked up by their hash and never
 * compared letter by letter, so that the time an answer takes tells nothing of a key.
 */
export function hashApiKey(key: string): Uint8Array {
  return createHash("sha256").update(key).digest();
}
