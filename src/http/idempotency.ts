import { hash, timingSafeEqual } from "node:crypto";
import { sql } from "kysely";
import { LRUCache } from "lru-cache";
import { namesSubjects } from "../access/narrowing.ts";
import { type Member, principalName } from "../access/principal.ts";
import { lengthPrefixed } from "../crypto/bytes.ts";
import type { Db } from "../db/connect.ts";
import { type PlatformTx, readTenant, serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { jsonReply, type Reply, type StoredAnswer } from "./answer.ts";
import type { Caller } from "./permission.ts";
import type { Sign } from "./sign.ts";

/** Keeps an answer in the transaction of the change that it reports. */
export type Keep = (tx: TenantTx | PlatformTx, answer: StoredAnswer) => Promise<void>;

type KeyedRequest = Readonly<{
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

/** The operator's keys are stored under an id that no tenant has. */
const noTenant = "00000000-0000-0000-0000-000000000000";

/**
 * The Idempotency-Key of draft-ietf-httpapi-idempotency-key-header: a write that is repeated under its key is
 * done once and answered twice. The answer is kept in the transaction of the change, so neither exists
 * without the other. A request that failed did nothing and may be sent again. Bodies are compared by a keyed
 * MAC. A key is known for 24 hours. A first request that has changed nothing within two minutes counts as
 * lost, and a repeat is run; if both go on, one of them commits.
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
   * Runs the request, or returns the answer of its first run. Throws `idempotency_mismatch` for another
   * request under the same key, and `idempotency_in_flight` while the first is running.
   */
  async once<T>(
    request: KeyedRequest,
    run: (keep: Keep) => Promise<T>,
  ): Promise<Readonly<{ fresh: T }> | Readonly<{ stored: StoredAnswer }>> {
    const { route, path, bodyDigest } = request;
    const described = lengthPrefixed([route, path, Buffer.from(bodyDigest).toString("base64")]);
    const mac = await this.#sign(request.tenantId, "idempotency-key", described);
    const since = await this.#within(request, async (tx) => {
      await this.#forgetOld(tx, request.tenantId ?? noTenant);
      return claim(tx, request, mac);
    });
    if (since === null) return { stored: await this.#repeat(request, mac) };
    let isKept = false;
    try {
      const fresh = await run(async (tx, answer) => {
        await keep(tx, request, since, answer);
        isKept = true;
      });
      if (!isKept) throw new Error(`the answer of ${route} was not kept with its change`);
      return { fresh };
    } catch (error) {
      // The claim of a committed change stays: `release` deletes running claims only.
      await this.#within(request, (tx) => release(tx, request, since)).catch(() => undefined);
      throw error;
    }
  }

  async #repeat(request: KeyedRequest, mac: Uint8Array): Promise<StoredAnswer> {
    const scope = serviceScope(request.tenantId ?? noTenant);
    const earlier = await readTenant(this.#db, scope, (tx) => find(tx, request));
    if (earlier !== undefined && !timingSafeEqual(earlier.request_mac, mac)) {
      throw new KeyholdError(
        "idempotency_mismatch",
        "This Idempotency-Key was used for a different request. Use a new key.",
      );
    }
    if (earlier?.state === "done") return { status: earlier.status ?? 0, body: earlier.body };
    throw inFlight();
  }

  /** Keys that have expired are deleted when their tenant next writes, at most once an hour in a process. */
  async #forgetOld(tx: TenantTx, tenantId: string): Promise<void> {
    if (this.#cleaned.has(tenantId)) return;
    this.#cleaned.set(tenantId, true);
    await sql`delete from idempotency_keys where created_at < now() - interval '24 hours'`.execute(tx);
  }

  #within<T>({ tenantId }: KeyedRequest, work: (tx: TenantTx) => Promise<T>): Promise<T> {
    return withTenant(this.#db, serviceScope(tenantId ?? noTenant), work);
  }
}

/**
 * When this run claimed the key, which distinguishes it from a run that takes it over; `null` when the key is
 * taken.
 */
async function claim(tx: TenantTx, request: KeyedRequest, mac: Uint8Array): Promise<Date | null> {
  const { rows } = await sql<{ since: Date }>`
    insert into idempotency_keys as taken (tenant_id, principal, route, key, request_mac, created_at)
    values (${request.tenantId ?? noTenant}, ${request.principal}, ${request.route}, ${request.key}, ${mac},
      date_trunc('milliseconds', clock_timestamp()))
    on conflict (tenant_id, principal, route, key) do update
      set request_mac = excluded.request_mac, created_at = excluded.created_at, state = 'running', status = null, body = null
      where taken.created_at < now() - interval '24 hours'
        or (taken.state = 'running' and taken.created_at < now() - interval '2 minutes'
          and taken.request_mac = excluded.request_mac)
    returning created_at as since`.execute(tx);
  return rows[0]?.since ?? null;
}

async function find(tx: TenantTx, request: KeyedRequest) {
  return tx
    .selectFrom("idempotency_keys")
    .select(["request_mac", "state", "status", "body"])
    .where("principal", "=", request.principal)
    .where("route", "=", request.route)
    .where("key", "=", request.key)
    .executeTakeFirst();
}

async function keep(
  tx: TenantTx | PlatformTx,
  { tenantId, principal, route, key }: KeyedRequest,
  since: Date,
  { status, body }: StoredAnswer,
): Promise<void> {
  const text = body === null ? null : JSON.stringify(body);
  const { rows } = await sql<{ kept: boolean | null }>`
    select access.keep_answer(${tenantId ?? noTenant}::uuid, ${principal}, ${route}, ${key}, ${since}, ${status}, ${text}::jsonb)
      as kept`.execute(tx);
  if (rows[0]?.kept === true) return;
  throw inFlight();
}

async function release(tx: TenantTx, { principal, route, key }: KeyedRequest, since: Date): Promise<void> {
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

/** Runs a request under its Idempotency-Key, or replies as its first run did. */
export async function runOnce(
  idempotency: Pick<IdempotencyKeys, "once">,
  {
    caller,
    ...request
  }: Pick<KeyedRequest, "route" | "path" | "key" | "bodyDigest"> & Readonly<{ caller: NonNullable<Caller> }>,
  run: (keep: Keep) => Promise<Reply>,
): Promise<Reply> {
  const owner =
    caller.kind === "operator"
      ? { tenantId: null, principal: `operator:${caller.issuer} ${caller.subject}` }
      : { tenantId: caller.tenantId, principal: nameOf(caller) };
  const outcome = await idempotency.once({ ...owner, ...request }, run);
  if ("fresh" in outcome) return outcome.fresh;
  const { status, body } = outcome.stored;
  return jsonReply(status, body, { "idempotency-replayed": "true" });
}

/** A narrowed token does not get an answer that a wider token of the same member was given. */
function nameOf(caller: Member): string {
  const { credentials, accounts } = caller.narrowing;
  const name = principalName(caller);
  if (caller.apiKeyId !== null || !namesSubjects(caller.narrowing)) return name;
  return `${name}:${hash("sha256", JSON.stringify([credentials, accounts]), "base64url")}`;
}

/** Throws `malformed` for a header that is not a key. */
export function idempotencyKeyOf(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  if (typeof header === "string" && /^[\x21-\x7e]{1,255}$/.test(header)) return header;
  throw new KeyholdError("malformed", "An Idempotency-Key is 1 to 255 visible ASCII characters.");
}
