import { createHash, randomBytes } from "node:crypto";
import { sql } from "kysely";
import type { Db } from "../db/connect.ts";

const marker = "kh_";
/** 256 bits, in base64url. */
const form = /^kh_[A-Za-z0-9_-]{43}$/;
const prefixLength = 10;

/**
 * Makes a key, which its owner sees once. The database stores the hash, and the prefix to recognise the key
 * by.
 */
export function makeApiKey(): Readonly<{ key: string; prefix: string; hash: Uint8Array }> {
  const key = marker + randomBytes(32).toString("base64url");
  return { key, prefix: key.slice(0, prefixLength), hash: hashApiKey(key) };
}

export function isApiKey(text: string): boolean {
  return form.test(text);
}

/**
 * SHA-256: 256 random bits cannot be guessed, so no slow hash is needed. Keys are looked up by their hash and
 * never compared letter by letter, so that the time of an answer reveals nothing of a key.
 */
export function hashApiKey(key: string): Uint8Array {
  return createHash("sha256").update(key).digest();
}

/** Uses that wait to be written. No more keys are in use at once. */
const most = 50_000;

/**
 * The last uses of API keys. They are collected here and written from time to time, so that a request costs
 * no write.
 */
export class KeyUses {
  readonly #db: Db;
  /** By the id of the key: the moment by `performance.now()`. */
  #uses = new Map<string, number>();

  constructor(db: Db) {
    this.#db = db;
  }

  note(apiKeyId: string): void {
    if (this.#uses.size < most || this.#uses.has(apiKeyId)) this.#uses.set(apiKeyId, performance.now());
  }

  /** Writes the collected uses. If that fails, they are kept for the next time. */
  async write(): Promise<void> {
    const uses = this.#uses;
    if (uses.size === 0) return;
    this.#uses = new Map();
    const now = performance.now();
    const ago = [...uses.values()].map((at) => (now - at) / 1000);
    await sql`select access.note_uses(${[...uses.keys()]}::uuid[], ${ago}::double precision[])`
      .execute(this.#db)
      .catch(() => {
        this.#uses = new Map([...uses, ...this.#uses]);
      });
  }
}
