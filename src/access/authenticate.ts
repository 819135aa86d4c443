import { hash } from "node:crypto";
import { LRUCache } from "lru-cache";
import {
  hashApiKey,
  isApiKey,
  type KeyUses,
  isOperatorKey,
  operatorKeyIssuer,
  type OperatorKeys,
} from "./api-keys.ts";
import type { ActiveMember, Memberships } from "./membership.ts";
import { assertFrom, namesSubjects, type Narrowing } from "./narrowing.ts";
import { grantedScopes, type Role, roles, type Scope } from "./permissions.ts";
import type { Member, Operator, Origin } from "./principal.ts";
import type { VerifiedToken, VerifyToken } from "./tokens.ts";
import { unauthenticated } from "./unauthenticated.ts";

const mostTokens = 20_000;

type Right = Readonly<{
  tenantId: string;
  scopes: readonly string[];
  agent: boolean;
  apiKeyId: string | null;
  makers: readonly string[];
  narrowing: Narrowing;
}>;

/**
 * Turns an `Authorization` header into a caller. Tokens and API keys alike lead to one active membership of
 * one tenant, whose role limits the scopes. Any fault is `unauthenticated`, always with the same text. A
 * caller outside the networks that its token or key is narrowed to is `forbidden`, and without an answer of
 * the database the error is `not_ready`.
 */
export class Authenticator {
  readonly #verify: VerifyToken;
  readonly #memberships: Pick<Memberships, "member" | "apiKey" | "forget">;
  readonly #operatorKeys: Pick<OperatorKeys, "find">;
  readonly #now: () => number;
  readonly #keyUses: Pick<KeyUses, "note">;
  readonly #verified = new LRUCache<string, VerifiedToken>({ max: mostTokens });

  constructor(
    verify: VerifyToken,
    memberships: Pick<Memberships, "member" | "apiKey" | "forget">,
    now: () => number = Date.now,
    operatorKeys: Pick<OperatorKeys, "find"> = noOperatorKeys,
    keyUses: Pick<KeyUses, "note"> = { note: () => undefined },
  ) {
    this.#verify = verify;
    this.#memberships = memberships;
    this.#operatorKeys = operatorKeys;
    this.#now = now;
    this.#keyUses = keyUses;
  }

  async authenticate(authorization: string | undefined, origin: Origin): Promise<Member | Operator> {
    const credential = bearerOf(authorization);
    if (isApiKey(credential)) return this.#byApiKey(credential, origin);
    if (isOperatorKey(credential)) return this.#byOperatorKey(credential, origin);
    // A known token costs no `await`, because each one costs a turn of the event loop.
    const digest = hash("sha256", credential, "base64");
    const token = this.#known(digest) ?? (await this.#verifyOnce(digest, credential));
    const { issuer, subject } = token;
    assertFrom(token.narrowing, origin.address);
    if (token.kind === "operator") return { kind: "operator", issuer, subject, origin };
    const member = await this.#memberships.member(token.tenantId, issuer, subject);
    if (member === null)
      throw unauthenticated("membership", { detail: "no active member of an active tenant" });
    return principal(member, { ...token, apiKeyId: null, makers: [] }, origin);
  }

  /** Makes a change of the rights of this member effective at once in this process. */
  forget(memberId: string): void {
    this.#memberships.forget(memberId);
  }

  async #byApiKey(key: string, origin: Origin): Promise<Member> {
    const found = await this.#memberships.apiKey(hashApiKey(key));
    if (found === null) throw unauthenticated("api_key");
    assertFrom(found.narrowing, origin.address);
    this.#keyUses.note(found.apiKeyId);
    return principal(found, found, origin);
  }

  async #byOperatorKey(key: string, origin: Origin): Promise<Operator> {
    const subject = await this.#operatorKeys.find(key);
    if (subject === null) throw unauthenticated("api_key");
    return { kind: "operator", issuer: operatorKeyIssuer, subject, origin };
  }

  /**
   * The cache is keyed by a hash, so that it contains no token. A token is verified again when the keys of
   * its issuer are not fresh any more.
   */
  #known(digest: string): VerifiedToken | undefined {
    const known = this.#verified.get(digest);
    if (known === undefined) return undefined;
    if (known.validUntil <= this.#now()) throw unauthenticated("expired");
    return known.verifyAgainAt > this.#now() ? known : undefined;
  }

  async #verifyOnce(digest: string, token: string): Promise<VerifiedToken> {
    if (!form.test(token)) throw unauthenticated("malformed");
    const verified = await this.#verify(token);
    this.#verified.set(digest, verified);
    return verified;
  }
}

const noOperatorKeys: Pick<OperatorKeys, "find"> = { find: () => Promise.resolve(null) };

/** The characters of a token (RFC 6750 §2.1). */
const form = /^[\w\-.~+/]+=*$/;

/** The name of the scheme is case-insensitive (RFC 9110 §11.1). */
function bearerOf(authorization: string | undefined): string {
  if (authorization === undefined) throw unauthenticated("missing");
  if (authorization.slice(0, 7).toLowerCase() !== "bearer ") throw unauthenticated("malformed");
  return authorization.slice(7);
}

function principal(
  { memberId, role, limits }: ActiveMember,
  { tenantId, scopes, agent, apiKeyId, makers, narrowing }: Right,
  origin: Origin,
): Member {
  return {
    kind: "member",
    tenantId,
    memberId,
    role,
    reach: roles[role].reach,
    scopes: grantedOnce(role, { scopes, agent, narrowing }),
    agent,
    apiKeyId,
    makers,
    narrowing,
    limits,
    origin,
  };
}

/** The list of scopes of a verified token → the scopes that are granted of it. */
const granted = new WeakMap<readonly string[], Readonly<{ role: Role; scopes: ReadonlySet<Scope> }>>();

function grantedOnce(
  role: Role,
  { scopes: asked, agent, narrowing }: Pick<Right, "scopes" | "agent" | "narrowing">,
): ReadonlySet<Scope> {
  const known = granted.get(asked);
  // The list belongs to one token or key, and whether that is an agent's or narrowed never changes.
  if (known?.role === role) return known.scopes;
  const scopes = grantedScopes(role, asked, agent, namesSubjects(narrowing));
  granted.set(asked, { role, scopes });
  return scopes;
}
