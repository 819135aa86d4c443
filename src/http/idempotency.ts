import { hash, timingSafeEqual } from "node:crypto";
import { sql } from "kysely";
import { LRUCache } from "lru-cache";
import { namesSubjects } from "../access/narrowing.ts";
import { type Member, principalName } from "../access/principal.ts";
import { lengthPrefixed } from "../crypto/length-prefixed.ts";
import type { Db } from "../db/connect.ts";
import { type PlatformTx, readTenant, serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { jsonReply, type Reply, type StoredAnswer } from "./answer.ts";
import type { Caller } from "./permission.ts";
import type { Sign } from "./sign.ts";

/** Keeps an answer in the transaction of the change that it tells of. */
export type Keep = (tx: TenantTx | PlatformTx, answer: StoredAnswer) => Promise<void>;

/** What a write makes when it is run, or what its first run was answered. */
export type Outcome<T> = Readonly<{ fresh: T }> | Readonly<{ stored: StoredAnswer }>;

export type KeyedRequest = Readonly<{
  /** `null` is the operator. */
  tenantId: string | null;
  principal: string;
  /** The route as declared, and the path as it was sent. */
  route: string;
  path: string;
  key: string;
  /** SHA-256 of the body: bodies hold secrets and are not kept. */
  bodyDigest: Uint8Array;
}>;

type Claim = Readonly<{ since: Date }>;
type Earlier = Readonly<{ mac: Uint8Array; state: "running" | "done"; answer: StoredAnswer }>;

/** The operator's keys lie under an id that no tenant has. */
const nobody = "00000000-0000-0000-0000-000000000000";

/**
 * The Idempotency-Key of draft-ietf-httpapi-idempotency-key-header: a write that is repeated under its key is done once and
 * answered twice. The answer is kept in the transaction of the change, so that there is never one without the other. A request that
 * failed did nothing, and may be sent again. Bodies are compared by a keyed MAC. A key is known for 24 hours. A first request that has
 * changed nothing within two minutes counts as lost, and a repeat is run; if both go on, one of them commits.
 */
export class IdempotencyKeys {
  readonly #db: Db;
  readonly #sign: Sign;
  readonly #cleaned = new LRUCache<string, true>({ max: 10_000, ttl: 60 * 60_000 });

  constructor(db: Db, sign: Sign) {
    this.#db = db;
    this.#sign = sign;
  }

  /**
   * Runs the request, or answers as its first run did. Throws `idempotency_mismatch` for another request under the same key, and
   * `idempotency_in_flight` while the first is running.
   */
  async once<T>(request: KeyedRequest, run: (keep: Keep) => Promise<T>): Promise<Outcome<T>> {
    const { route, path, bodyDigest } = request;
    const described = lengthPrefixed([route, path, Buffer.from(bodyDigest).toString("base64")]);
    const mac = await this.#sign(request.tenantId, "idempotency-key", described);
    const claim = await this.#within(request, async (tx) => {
      await this.#forgetOld(tx, request.tenantId ?? nobody);
      return take(tx, request, mac);
    });
    if (claim === null) return { stored: await this.#repeat(request, mac) };
    let isKept = false;
    try {
      const fresh = await run(async (tx, answer) => {
        await keep(tx, request, claim, answer);
        isKept = true;
      });
      if (!isKept) throw new Error(`the answer of ${route} was not kept with its change`);
      return { fresh };
    } catch (error) {
      // Of a change that was committed nothing is released.
      await this.#within(request, (tx) => release(tx, request, claim)).catch(() => undefined);
      throw error;
    }
  }

  async #repeat(request: KeyedRequest, mac: Uint8Array): Promise<StoredAnswer> {
    const scope = serviceScope(request.tenantId ?? nobody);
    const earlier = await readTenant(this.#db, scope, (tx) => find(tx, request));
    if (earlier !== null && !timingSafeEqual(earlier.mac, mac)) {
      throw new KeyholdError("idempotency_mismatch", "Use a new Idempotency-Key for another request.");
    }
    if (earlier?.state === "done") return earlier.answer;
    throw inFlight();
  }

  /** What is too old to be given again goes when its tenant next writes, at most once an hour in a process. */
  async #forgetOld(tx: TenantTx, tenantId: string): Promise<void> {
    if (this.#cleaned.has(tenantId)) return;
    this.#cleaned.set(tenantId, true);
    await sql`delete from idempotency_keys where created_at < now() - interval '24 hours'`.execute(tx);
  }

  #within<T>({ tenantId }: KeyedRequest, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    return withTenant(this.#db, serviceScope(tenantId ?? nobody), work);
  }
}

/** `null` when the key is taken. The time at which it was taken tells this run from one that takes it over. */
async function take(tx: TenantTx, request: KeyedRequest, mac: Uint8Array): Promise<Claim | null> {
  const { rows } = await sql<Claim>`
    insert into idempotency_keys as taken (tenant_id, principal, route, key, request_mac, created_at)
    values (${request.tenantId ?? nobody}, ${request.principal}, ${request.route}, ${request.key}, ${mac},
      date_trunc('milliseconds', clock_timestamp()))
    on conflict (tenant_id, principal, route, key) do update
      set request_mac = excluded.request_mac, created_at = excluded.created_at, state = 'running', status = null, body = null
      where taken.created_at < now() - interval '24 hours'
        or (taken.state = 'running' and taken.created_at < now() - interval '2 minutes'
          and taken.request_mac = excluded.request_mac)
    returning created_at as since`.execute(tx);
  return rows[0] ?? null;
}

async function find(tx: TenantTx, request: KeyedRequest): Promise<Earlier | null> {
  const row = await tx
    .selectFrom("idempotency_keys")
    .select(["request_mac", "state", "status", "body"])
    .where("principal", "=", request.principal)
    .where("route", "=", request.route)
    .where("key", "=", request.key)
    .executeTakeFirst();
  if (row === undefined) return null;
  return { mac: row.request_mac, state: row.state, answer: { status: row.status ?? 0, body: row.body } };
}

async function keep(
  tx: TenantTx | PlatformTx,
  { tenantId, principal, route, key }: KeyedRequest,
  { since }: Claim,
  { status, body }: StoredAnswer,
): Promise<void> {
  const text = body === null ? null : JSON.stringify(body);
  const { rows } = await sql<{ kept: boolean | null }>`
    select access.keep_answer(${tenantId ?? nobody}::uuid, ${principal}, ${route}, ${key}, ${since}, ${status}, ${text}::jsonb)
      as kept`.execute(tx);
  if (rows[0]?.kept === true) return;
  throw inFlight();
}

async function release(
  tx: TenantTx,
  { principal, route, key }: KeyedRequest,
  { since }: Claim,
): Promise<void> {
  await tx
    .deleteFrom("idempotency_keys")
    .where("principal", "=", principal)
    .where("route", "=", route)
    .where("key", "=", key)
    .where("state", "=", "running")
    .where("created_at", "=", since)
    .execute();
}

function inFlight(): KeyholdError {
  return new KeyholdError("idempotency_in_flight", "Wait for the first request, then send this one again.");
}

export type KnowsKeys = Readonly<{ idempotency: Pick<IdempotencyKeys, "once"> }>;

type Keyed = Readonly<{ caller: NonNullable<Caller>; key: string; bodyDigest: Uint8Array; path: string }>;

/** Runs a request under its Idempotency-Key, or answers as its first run did. */
export async function runOnce(
  { idempotency }: KnowsKeys,
  { method, path: route }: Readonly<{ method: string; path: string }>,
  { caller, key, bodyDigest, path }: Keyed,
  run: (keep: Keep) => Promise<Reply>,
): Promise<Reply> {
  const operates = caller.kind === "operator";
  const principal = operates ? `operator:${caller.issuer} ${caller.subject}` : nameOf(caller);
  const request = {
    tenantId: operates ? null : caller.tenantId,
    principal,
    route: `${method} ${route}`,
    path,
    key,
    bodyDigest,
  };
  const outcome = await idempotency.once(request, run);
  if ("fresh" in outcome) return outcome.fresh;
  const { status, body } = outcome.stored;
  return jsonReply(status, body, { "idempotency-replayed": "true" });
}

/** A narrowed token is not given what a wider one of the same member was answered. */
function nameOf(caller: Member): string {
  const { credentials, accounts } = caller.narrowing;
  const name = principalName(caller);
  if (caller.apiKeyId !== null || !namesSubjects(caller.narrowing)) return name;
  return `${name}:${hash("sha256", JSON.stringify([credentials, accounts]), "base64url")}`;
}

/** Throws `malformed` for a header that is no key. */
export function idempotencyKeyOf(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === "string" && /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw new KeyholdError("malformed", "An Idempotency-Key is 1 to 255 visible ASCII characters.");
}
