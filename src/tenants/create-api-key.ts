import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { type ApiKey, apiKeyColumns, type ApiKeyRequest, toApiKey } from "./api-key.ts";
import { makeApiKey } from "../access/api-keys.ts";
import { canonicalNetwork, liesWithin, namesSubjects } from "../access/narrowing.ts";
import { assertScope, type Member, type Principal } from "../access/principal.ts";
import { type Answered, change } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import type { TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { refuseMiss } from "../audit/refusals.ts";

const maxLiveApiKeys = 50;
const defaultApiKeyDays = 90;
const maxApiKeyDays = 366;
const dayMs = 86_400_000;

/**
 * Makes an API key for the caller itself. It cannot have more scopes or reach than the caller, and it ends no
 * later than the key that makes it. `key` is shown this once.
 *
 * Throws `forbidden` for a key that could do more than the caller, `malformed` for an end that has passed or
 * is too far away, `illegal_state` if the member has too many keys, and `forbidden` or `not_found` for a
 * credential or account that the caller does not reach.
 */
export async function createApiKey(
  db: Db,
  principal: Principal,
  request: ApiKeyRequest,
): Promise<Answered<ApiKey & Readonly<{ key: string }>>> {
  assertScope(principal, "api-keys:write");
  if (principal.kind !== "member") throw new KeyholdError("forbidden", "An API key belongs to a member.");
  assertScopesAmong(principal, request);
  const networks = networksOf(principal, request);
  const { key, prefix, hash } = makeApiKey();
  try {
    return await change(db, principal, async (tx) => {
      await assertRoom(tx, principal);
      const row = await tx
        .insertInto("api_keys")
        .values({
          tenant_id: principal.tenantId,
          id: randomUUID(),
          member_id: principal.memberId,
          name: request.name,
          prefix,
          hash,
          scopes: [...request.scopes],
          agent: request.agent ?? false,
          expires_at: await endOf(tx, principal, request.expiresAt ?? null),
          makers: principal.apiKeyId === null ? [] : [...principal.makers, principal.apiKeyId],
          ...(await reachOf(tx, principal, request)),
          networks,
        })
        .returning(apiKeyColumns)
        .executeTakeFirstOrThrow();
      const detail = { api_key_id: row.id, member_id: row.member_id, scopes: request.scopes };
      return { value: { ...toApiKey(row), key }, events: [{ event: "api_key.created", detail }] };
    });
  } catch (error) {
    if (!(error instanceof BeyondReach)) throw error;
    return refuseMiss(db, principal, { ...error.named, action: "api_key.create" });
  }
}

function assertScopesAmong(principal: Member, { scopes }: ApiKeyRequest): void {
  const beyond = scopes.filter((scope) => !principal.scopes.has(scope));
  if (beyond.length === 0) return;
  throw new KeyholdError(
    "forbidden",
    `A key cannot have scopes that you do not have: ${beyond.join(", ")}.`,
    {
      facts: { missing_scopes: beyond },
    },
  );
}

/** The networks of the request, or else those of the caller. */
function networksOf({ narrowing }: Member, { networks }: ApiKeyRequest): string[] | null {
  const own = narrowing.networks;
  if (networks === undefined) return own === null ? null : [...own];
  return networks.map((text) => {
    const network = canonicalNetwork(text);
    if (network === null) {
      throw new KeyholdError(
        "malformed",
        `${text} is not a network. Write it like 10.20.0.0/16 or 2001:db8::/32.`,
      );
    }
    if (own === null || liesWithin(network, own)) return network;
    throw new KeyholdError("forbidden", `A key cannot be used from ${network}, because yours cannot.`, {
      facts: { reason: "narrowed" },
    });
  });
}

/** The lock makes requests that arrive at once be counted one after the other. */
async function assertRoom(tx: TenantTx, { memberId }: Member): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`api keys of ${memberId}`}, 0))`.execute(tx);
  const { count } = await tx
    .selectFrom("api_keys")
    .select((eb) => eb.fn.countAll<number>().as("count"))
    .where("member_id", "=", memberId)
    .where("revoked_at", "is", null)
    .where(sql<boolean>`expires_at > now() and access.keys_live(makers, now())`)
    .executeTakeFirstOrThrow();
  if (count < maxLiveApiKeys) return;
  throw new KeyholdError(
    "illegal_state",
    `A member can have at most ${maxLiveApiKeys} live API keys. Revoke one that is not needed.`,
  );
}

/** When the key ends, by the database's clock. */
async function endOf(tx: TenantTx, { apiKeyId }: Member, wanted: Date | null): Promise<Date> {
  const { rows } = await sql<{ now: Date; makerEnds: Date | null }>`
    select clock_timestamp() as now, (select expires_at from api_keys where id = ${apiKeyId}) as "makerEnds"`.execute(
    tx,
  );
  const { now = new Date(), makerEnds = null } = rows[0] ?? {};
  const latest = makerEnds ?? daysAfter(now, maxApiKeyDays);
  if (wanted === null) return earlier(daysAfter(now, defaultApiKeyDays), latest);
  if (wanted <= now) throw new KeyholdError("malformed", "The expiry of the key has passed already.");
  if (wanted <= latest) return wanted;
  const bound =
    makerEnds === null ? `lives at most ${maxApiKeyDays} days` : "ends no later than the key that makes it";
  throw new KeyholdError(
    "malformed",
    `An API key ${bound}: choose an expiry before ${latest.toISOString()}.`,
  );
}

function daysAfter(now: Date, days: number): Date {
  return new Date(now.getTime() + days * dayMs);
}

function earlier(one: Date, other: Date): Date {
  return one < other ? one : other;
}

/**
 * The named credentials and accounts, all of which the caller must reach; without names, those of the
 * caller's own narrowing.
 */
async function reachOf(tx: TenantTx, { narrowing }: Member, { credentials, accounts }: ApiKeyRequest) {
  if (credentials === undefined && accounts === undefined) {
    if (!namesSubjects(narrowing)) return {};
    return { credentials: copyOf(narrowing.credentials), accounts: copyOf(narrowing.accounts) };
  }
  const named: readonly BeyondReach["named"][] = [
    ...(credentials ?? []).map((id) => ({ kind: "credential" as const, id })),
    ...(accounts ?? []).map((id) => ({ kind: "account" as const, id })),
  ];
  for (const one of named) {
    const table = one.kind === "credential" ? "credentials" : "accounts";
    const found = await tx
      .selectFrom(table)
      .select("id")
      .where("id", "=", one.id)
      .where("deleted_at", "is", null)
      .executeTakeFirst();
    if (found === undefined) throw new BeyondReach(one);
  }
  return { credentials: copyOf(credentials ?? null), accounts: copyOf(accounts ?? null) };
}

function copyOf(ids: readonly string[] | null): string[] | null {
  return ids === null ? null : [...ids];
}

/** Ends the transaction; the miss is refused, and recorded, outside it. */
class BeyondReach extends Error {
  readonly named: Readonly<{ kind: "credential" | "account"; id: string }>;

  constructor(named: BeyondReach["named"]) {
    super("not within reach");
    this.named = named;
  }
}
