import { createHash, randomBytes, randomUUID } from "node:crypto";
import { sql, type Selectable } from "kysely";
import { LRUCache } from "lru-cache";
import type { Db } from "../db/connect.ts";
import type { Database } from "../db/schema.ts";
import { withPlatform } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";

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

/** The issuer of an operator with an operator key; the subject is the id of the key. */
export const operatorKeyIssuer = "urn:keyhold:operator-key";

const operatorMarker = "kho_";
const operatorForm = /^kho_[\w-]{43}$/;
const lifeHours = 24;

/** What is stored and shown of an operator key, which is never the key itself. */
export type OperatorKey = Readonly<Omit<Selectable<Database["operator_keys"]>, "hash">>;

const columns = ["id", "name", "prefix", "made_by", "created_at", "expires_at", "revoked_at"] as const;

export function isOperatorKey(text: string): boolean {
  return operatorForm.test(text);
}

/** Makes a key that is valid for 24 hours. `key` is shown only once. */
export async function createOperatorKey(
  db: Db,
  { name, madeBy }: Readonly<{ name: string; madeBy: string }>,
): Promise<Readonly<{ operatorKey: OperatorKey; key: string }>> {
  const key = makeApiKey().key.replace(/^kh_/, operatorMarker);
  const operatorKey = await withPlatform(db, (tx) =>
    tx
      .insertInto("operator_keys")
      .values({
        id: randomUUID(),
        name,
        prefix: key.slice(0, 10),
        hash: Buffer.from(hashApiKey(key)),
        made_by: madeBy,
        expires_at: sql`date_trunc('milliseconds', now()) + make_interval(hours => ${lifeHours})`,
      })
      .returning(columns)
      .executeTakeFirstOrThrow(),
  );
  return { operatorKey, key };
}

/** All keys that were ever made, newest first. */
export function listOperatorKeys(db: Db): Promise<readonly OperatorKey[]> {
  return withPlatform(db, (tx) =>
    tx.selectFrom("operator_keys").select(columns).orderBy("created_at", "desc").orderBy("id").execute(),
  );
}

/** A second call changes nothing. Throws `not_found`. */
export async function revokeOperatorKey(db: Db, id: string): Promise<OperatorKey> {
  const row = await withPlatform(db, (tx) =>
    tx
      .updateTable("operator_keys")
      .set({ revoked_at: sql`coalesce(revoked_at, date_trunc('milliseconds', now()))` })
      .where("id", "=", id)
      .returning(columns)
      .executeTakeFirst(),
  );
  if (row === undefined) throw new KeyholdError("not_found", "There is no such operator key.");
  return row;
}

/** Finds operator keys. Answers are kept for two seconds, as for other API keys. */
export class OperatorKeys {
  readonly #ids: LRUCache<string, Readonly<{ id: string | null }>, Db>;
  readonly #db: Db;

  constructor(db: Db, { keepMs = 2000 }: Readonly<{ keepMs?: number }> = {}) {
    this.#db = db;
    this.#ids = new LRUCache({
      max: 1000,
      ttl: keepMs,
      fetchMethod: async (hash, _stale, { context }) => ({ id: await askId(context, hash) }),
    });
  }

  /** The id of a key that is in force, or `null`. Throws `not_ready` when the database does not answer. */
  async find(key: string): Promise<string | null> {
    try {
      const found = await this.#ids.fetch(Buffer.from(hashApiKey(key)).toString("hex"), {
        context: this.#db,
      });
      return found?.id ?? null;
    } catch (cause) {
      throw new KeyholdError("not_ready", "The key cannot be looked up now. Try again in a moment.", {
        cause,
      });
    }
  }
}

async function askId(db: Db, hash: string): Promise<string | null> {
  const { rows } = await sql<{ id: string }>`
    select id from access.operator_key(${Buffer.from(hash, "hex")})`.execute(db);
  return rows[0]?.id ?? null;
}
