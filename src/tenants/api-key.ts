import { randomUUID } from "node:crypto";
import { type Selectable, sql } from "kysely";
import { makeApiKey } from "../access/api-keys.ts";
import { canonicalNetwork, liesWithin, namesSubjects } from "../access/narrowing.ts";
import type { Scope } from "../access/permissions.ts";
import { assertScope, type Principal, scopeOf, soleOwner, type Member } from "../access/principal.ts";
import { changeFound } from "../audit/change-locked.ts";
import { type Answered, change } from "../audit/change.ts";
import { refuseMiss } from "../audit/refusals.ts";
import type { Db } from "../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Database } from "../db/schema.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { subjectOf } from "./member.ts";

/** An API key as it is shown: never the key itself. */
type ApiKey = Readonly<ReturnType<typeof toApiKey>>;

type ApiKeyRequest = Readonly<{
  name: string;
  scopes: readonly Scope[];
  agent?: boolean;
  /** At most 366 days from now. Defaults to 90 days from now. */
  expiresAt?: Date | null;
  credentials?: readonly string[];
  accounts?: readonly string[];
  /** Networks such as `10.20.0.0/16`, or single addresses. */
  networks?: readonly string[];
}>;

/** All columns but the hash and those of its signature. */
const apiKeyColumns = [
  "tenant_id",
  "id",
  "member_id",
  "name",
  "prefix",
  "scopes",
  "agent",
  "makers",
  "credentials",
  "accounts",
  "networks",
  "made_without_end",
  "expires_at",
  "revoked_at",
  "last_used_at",
  "created_at",
] as const;

function toApiKey(row: Omit<Selectable<Database["api_keys"]>, "hash" | "grant_number" | "grant_mac">) {
  return {
    id: row.id,
    member_id: row.member_id,
    name: row.name,
    prefix: row.prefix,
    scopes: row.scopes,
    agent: row.agent,
    made_by: row.makers.at(-1) ?? null,
    credentials: row.credentials,
    accounts: row.accounts,
    networks: row.networks,
    expires_at: row.expires_at.toISOString(),
    made_without_end: row.made_without_end,
    revoked_at: row.revoked_at?.toISOString() ?? null,
    last_used_at: row.last_used_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
  };
}

/** The API keys that the caller may see, revoked ones too, newest first. */
export async function listApiKeys(
  db: Db,
  principal: Principal,
  page: PageRequest,
): Promise<Page<ApiKey & Readonly<{ member_subject: string | null }>>> {
  assertScope(principal, "api-keys:read");
  const owner = soleOwner(principal);
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("api_keys")
      .select(apiKeyColumns)
      .select(subjectOf("api_keys.member_id").as("member_subject"))
      .$if(owner !== null, (query) => query.where("member_id", "=", owner ?? ""))
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, (row) => ({ ...toApiKey(row), member_subject: row.member_subject }));
}

/**
 * Ends an API key: from this moment it opens no secret, and after two seconds it is good for nothing. The
 * keys that it has made end with it. Revoking it again changes only the record. Returns its member. Throws
 * `forbidden` for another member's key, `not_found` for any other id.
 */
export async function revokeApiKey(
  db: Db,
  principal: Principal,
  id: string,
): Promise<Answered<Readonly<{ memberId: string }>>> {
  assertScope(principal, "api-keys:write");
  return changeFound(db, principal, { kind: "api_key", id, action: "revoke" }, async (tx) => {
    const row = await tx
      .updateTable("api_keys")
      .set({ revoked_at: sql`coalesce(revoked_at, now())` })
      .where("id", "=", id)
      .returning("member_id")
      .executeTakeFirst();
    if (row === undefined) return null;
    return {
      value: { memberId: row.member_id },
      events: [{ event: "api_key.revoked", detail: { api_key_id: id } }],
    };
  });
}

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
