import { sql } from "kysely";
import { LRUCache } from "lru-cache";
import type { Db } from "../db/connect.ts";
import type { StoredLimits } from "../db/stored-json.ts";
import { KeyholdError } from "../errors.ts";
import type { Narrowing } from "./narrowing.ts";
import { isRole, type Role } from "./permissions.ts";

/** A member who may act: the membership and the tenant are active. */
export type ActiveMember = Readonly<{ memberId: string; role: Role; limits: StoredLimits }>;

/** An API key that is neither revoked nor expired, of a member who may act. */
export type ActiveApiKey = ActiveMember &
  Readonly<{
    apiKeyId: string;
    tenantId: string;
    scopes: readonly string[];
    agent: boolean;
    makers: readonly string[];
    narrowing: Narrowing;
  }>;

type MemberRow = Readonly<{
  id: string;
  role: string;
  status: string;
  tenant_status: string;
  limits: StoredLimits;
  link: number;
  grants: string;
}>;
type Ask = Readonly<{ ask: () => Promise<ActiveMember | ActiveApiKey | null> }>;

/** The precision of the age of an answer: reading the clock each time costs more than finding the answer. */
const clockMs = 20;

/**
 * The member of a token or an API key. Only a proven membership counts. Answers are kept for two seconds at
 * most. A use of a secret does not rely on them, because the record judges the membership once more when it
 * commits. An answer that is used in the second half of its time is renewed meanwhile, so that no request
 * waits for it.
 */
export class Memberships {
  readonly #answers: LRUCache<string, Readonly<{ found: ActiveMember | ActiveApiKey | null }>, Ask>;
  readonly #renewing = new Set<string>();
  readonly #db: Db;
  readonly #prove: Prove;
  readonly #keepMs: number;

  constructor(db: Db, prove: Prove, options: { keepMs?: number } = {}) {
    this.#db = db;
    this.#prove = prove;
    this.#keepMs = (options.keepMs ?? 2000) - clockMs;
    this.#answers = new LRUCache({
      max: 20_000,
      ttl: this.#keepMs,
      ttlResolution: clockMs,
      fetchMethod: async (_key, _stale, { context }) => ({ found: await context.ask() }),
    });
  }

  /**
   * `null` without an active membership in an active tenant. Throws `not_ready` when the database does not
   * answer, and `rights_unproven`.
   */
  member(tenantId: string, issuer: string, subject: string): Promise<ActiveMember | null> {
    // All ids of tenants have the same length, so two members never have the same key.
    const key = `${tenantId}${issuer.length} ${issuer}${subject}`;
    return this.#find(key, () => this.#askMember(tenantId, issuer, subject));
  }

  /** `null` for an unknown key, and when the key, its member or its tenant is not active. */
  async apiKey(hash: Uint8Array): Promise<ActiveApiKey | null> {
    const found = await this.#find(hash.toHex(), () => this.#askApiKey(hash));
    return found !== null && "apiKeyId" in found ? found : null;
  }

  /** After a change of a member or of its keys: the next request asks the database. */
  forget(memberId: string): void {
    for (const [key, { found }] of this.#answers.entries()) {
      if (found?.memberId === memberId) this.#answers.delete(key);
    }
  }

  async #find(key: string, ask: Ask["ask"]): Promise<ActiveMember | ActiveApiKey | null> {
    const known = this.#answers.get(key);
    if (known !== undefined) {
      if (this.#answers.getRemainingTTL(key) < this.#keepMs / 2) this.#renew(key, known, ask);
      return known.found;
    }
    try {
      const answer = await this.#answers.fetch(key, { context: { ask } });
      return answer?.found ?? null;
    } catch (error) {
      if (error instanceof KeyholdError) throw error;
      throw new KeyholdError("not_ready", "The membership cannot be looked up now. Try again in a moment.", {
        cause: error,
      });
    }
  }

  /**
   * If this fails, the first request after the end of the known answer gets the error. A forgotten answer is
   * not stored again.
   */
  #renew(key: string, known: Readonly<{ found: ActiveMember | ActiveApiKey | null }>, ask: Ask["ask"]): void {
    if (this.#renewing.has(key)) return;
    this.#renewing.add(key);
    ask()
      .then((found) => this.#answers.peek(key) === known && this.#answers.set(key, { found }))
      .catch(() => undefined)
      .finally(() => this.#renewing.delete(key));
  }

  async #askMember(tenantId: string, issuer: string, subject: string): Promise<ActiveMember | null> {
    const askedAt = performance.now();
    const { rows } = await sql<MemberRow>`
      select * from access.member(${tenantId}::uuid, ${issuer}, ${subject})`.execute(this.#db);
    const [row] = rows;
    const member = row === undefined ? null : activeMember(row.id, row);
    if (row === undefined || member === null) return null;
    await this.#prove(tenantId, { ...row, askedAt }, { ids: [tenantId, member.memberId] });
    return member;
  }

  async #askApiKey(hash: Uint8Array): Promise<ActiveApiKey | null> {
    const askedAt = performance.now();
    const { rows } = await sql<
      Omit<MemberRow, "id"> &
        Narrowing &
        Readonly<{
          makers: readonly string[];
          id: string;
          tenant_id: string;
          member_id: string;
          scopes: readonly string[];
          agent: boolean;
          active: boolean;
        }>
    >`select * from access.api_key(${hash})`.execute(this.#db);
    const [row] = rows;
    if (row === undefined || !row.active) return null;
    const member = activeMember(row.member_id, row);
    if (member === null) return null;
    const { id: apiKeyId, tenant_id: tenantId, scopes, agent, makers, credentials, accounts, networks } = row;
    const ids = [tenantId, member.memberId, apiKeyId, ...makers];
    await this.#prove(tenantId, { ...row, askedAt }, { ids });
    const narrowing = { credentials, accounts, networks };
    return { ...member, apiKeyId, tenantId, scopes, agent, makers, narrowing };
  }
}

function activeMember(memberId: string, row: Omit<MemberRow, "id">): ActiveMember | null {
  const { role, status, tenant_status: tenantStatus, limits } = row;
  if (status !== "active" || tenantStatus !== "active" || !isRole(role)) return null;
  return { memberId, role, limits };
}

/**
 * The evidence of a right: the lines of `grants.line`, the last link of the record when they were read, and
 * when the database was asked, by `performance.now()`.
 */
export type Proof = Readonly<{ link: number; grants: string; askedAt: number }>;

/**
 * Whether the grants allow the requested version to be opened: `ids` are the rows whose grants a proof must
 * contain, `version` that of the credential. Throws `rights_unproven`, which is recorded
 * first.
 */
export type Prove = (
  tenantId: string,
  proof: Proof,
  asked: Readonly<{ ids: readonly string[]; version?: number | null }>,
) => Promise<boolean>;
