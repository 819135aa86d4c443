import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from "jose";
import { z } from "zod";
import type { ConfiguredIssuer } from "../config/values.ts";
import { canonicalNetwork, longestList, namesSubjects, type Narrowing } from "./narrowing.ts";
import { operatorScope } from "./permissions.ts";
import { RemoteKeys } from "./remote-keys.ts";
import { type AuthenticationFailure, unauthenticated } from "./unauthenticated.ts";

/** An issuer of tokens, and the tenants that it may sign for. */
export type Issuer = Readonly<{
  issuer: string;
  audience: string;
  algorithms: readonly string[];
  tenants: "*" | readonly string[];
  operator: boolean;
  /** The `typ` of its tokens. `none`: their header has no `typ`, or `JWT`. */
  typ: "at+jwt" | "JWT" | "none";
  /** The claim that names the audience. */
  audienceClaim?: "aud" | "client_id";
  /** A prefix of its scopes, before the names of Keyhold. */
  scopePrefix?: string;
  maxAgeSeconds: number;
  findKey: JWTVerifyGetKey;
  /** Until then, in milliseconds since 1970, its keys are fresh; for ever when left out. */
  keysFreshUntil?: () => number;
}>;

/**
 * The content of a verified token. Times are in milliseconds since 1970. From `verifyAgainAt` on the issuer
 * may have withdrawn its key.
 */
export type VerifiedToken = Readonly<{
  issuer: string;
  subject: string;
  validUntil: number;
  verifyAgainAt: number;
  narrowing: Narrowing;
}> &
  (
    | Readonly<{ kind: "member"; tenantId: string; scopes: readonly string[]; agent: boolean }>
    | Readonly<{ kind: "operator" }>
  );

export type VerifyToken = (token: string) => Promise<VerifiedToken>;

const longestToken = 8192;
/** For differences between clocks. */
const skewSeconds = 15;

/** A text that PostgreSQL cannot store is refused here, because it would be stored as another text. */
const subject = z
  .string()
  .min(1)
  .max(255)
  .refine((value) => !value.includes("\0") && value.isWellFormed());

/**
 * A missing claim narrows nothing. Any value but a list, also `null`, is refused, because it was meant to
 * narrow something.
 */
const ids = z
  .array(z.uuid().toLowerCase())
  .max(longestList)
  .optional()
  .transform((list) => list ?? null);
const networks = z
  .array(
    z.string().transform((text, context) => {
      const network = canonicalNetwork(text);
      if (network !== null) return network;
      context.addIssue({ code: "custom", message: "is no network" });
      return z.NEVER;
    }),
  )
  .max(longestList)
  .optional()
  .transform((list) => list ?? null);

/** RFC 8693 §4.2 defines a text; Spring and Duende write a list. */
const scopeList = z
  .union([
    z
      .string()
      .max(4096)
      .transform((text) => text.split(" ")),
    z.array(z.string().max(255)).max(longestList),
  ])
  .optional();

const claims = z.object({
  sub: subject,
  exp: z.number(),
  iat: z.number(),
  tenant_id: z.uuid().toLowerCase().optional(),
  scope: scopeList,
  // Okta and Entra use this name.
  scp: scopeList,
  agent: z.boolean().default(false),
  credentials: ids,
  accounts: ids,
  networks,
});

/** A configured issuer, whose keys are fetched when the first token names it. */
export function remoteIssuer(configured: ConfiguredIssuer, report?: (error: unknown) => void): Issuer {
  const keys = new RemoteKeys(configured, report);
  const { max_age_seconds, audience_claim = "aud", scope_prefix = "", jwks_uri: _, ...same } = configured;
  return {
    ...same,
    audienceClaim: audience_claim,
    scopePrefix: scope_prefix,
    maxAgeSeconds: max_age_seconds,
    findKey: keys.find,
    keysFreshUntil: () => keys.freshUntil,
  };
}

/**
 * Verifies JSON Web Tokens as RFC 8725 asks: the issuer decides the keys, the algorithms and the audience,
 * never the token. Headers that point at keys (jku, x5u, jwk, x5c) are not read, and one that demands an
 * extension (crit) is refused. Throws `unauthenticated`, always with the same words.
 */
export function createTokenVerifier(issuers: readonly Issuer[], now: () => number = Date.now): VerifyToken {
  const byName = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  return async (token) => {
    const issuer = byName.get(claimedIssuer(token));
    if (issuer === undefined) throw unauthenticated("issuer");
    const { keysFreshUntil = forEver } = issuer;
    const before = keysFreshUntil();
    const payload = await verify(token, issuer, now());
    // Keys that were fresh before may have been replaced meanwhile.
    const verifyAgainAt = before > now() ? before : keysFreshUntil();
    return read(payload, issuer, verifyAgainAt);
  };
}

const forEver = (): number => Infinity;

/** Only selects the keys to try; nothing is verified yet. */
function claimedIssuer(token: string): string {
  if (token.length > longestToken) throw unauthenticated("malformed");
  const { header, payload } = decode(token);
  if (header.crit !== undefined) throw unauthenticated("malformed");
  return payload.iss ?? "";
}

function decode(token: string) {
  try {
    return { header: decodeProtectedHeader(token), payload: decodeJwt(token) };
  } catch (error) {
    throw unauthenticated("malformed", { cause: error });
  }
}

async function verify(token: string, issuer: Issuer, now: number): Promise<JWTPayload> {
  const isByClient = issuer.audienceClaim === "client_id";
  try {
    const { payload, protectedHeader } = await jwtVerify(token, issuer.findKey, {
      algorithms: [...issuer.algorithms],
      issuer: issuer.issuer,
      ...(isByClient ? {} : { audience: issuer.audience }),
      ...(issuer.typ === "none" ? {} : { typ: issuer.typ }),
      requiredClaims: ["exp", "iat", "sub"],
      maxTokenAge: issuer.maxAgeSeconds,
      clockTolerance: skewSeconds,
      currentDate: new Date(now),
    });
    // RFC 8725 §3.11: another type means that a token has another purpose.
    if (issuer.typ === "none" && !/^(?:(?:application\/)?jwt)?$/i.test(protectedHeader.typ ?? ""))
      throw new errors.JWTClaimValidationFailed("another typ", payload, "typ", "check_failed");
    if (isByClient && payload["client_id"] !== issuer.audience)
      throw new errors.JWTClaimValidationFailed("another client", payload, "client_id", "check_failed");
    return payload;
  } catch (error) {
    throw unauthenticated(reasonOf(error), { cause: error, detail: detailOf(error, token) });
  }
}

/**
 * The names of claims come from Keyhold or the standard, because jose reports the claims that it was asked to
 * check.
 */
function detailOf(error: unknown, token: string): string | null {
  if (error instanceof errors.JWTClaimValidationFailed)
    return `${error.claim} ${isMissing(error, token) ? "is missing" : "is not as configured"}`;
  return error instanceof errors.JOSEError ? (details[error.code] ?? null) : null;
}

/** jose reports a missing `typ` as a wrong one. */
function isMissing({ claim, reason }: errors.JWTClaimValidationFailed, token: string): boolean {
  return reason === "missing" || (claim === "typ" && decodeProtectedHeader(token).typ === undefined);
}

const details: Readonly<Record<string, string>> = {
  ERR_JWKS_NO_MATCHING_KEY: "the issuer has no such key",
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: "several keys fit, and the token names none of them by its kid",
  ERR_JWKS_TIMEOUT: "the keys of the issuer cannot be fetched",
  ERR_JOSE_ALG_NOT_ALLOWED: "the algorithm is not configured",
};

function read(payload: JWTPayload, issuer: Issuer, verifyAgainAt: number): VerifiedToken {
  const { data, error } = claims.safeParse(payload);
  if (data === undefined)
    throw unauthenticated("claims", { detail: `${String(error.issues[0]?.path[0])} has another form` });
  const { sub, exp, iat, tenant_id: tenantId, scope, scp, agent, credentials, accounts, networks } = data;
  const validUntil = 1000 * (Math.min(exp, iat + issuer.maxAgeSeconds) + skewSeconds);
  const narrowing = { credentials, accounts, networks };
  const who = { issuer: issuer.issuer, subject: sub, validUntil, verifyAgainAt, narrowing };
  const prefix = issuer.scopePrefix ?? "";
  const scopes = (scope ?? scp ?? []).flatMap((word) =>
    word.startsWith(prefix) ? [word.slice(prefix.length)] : [],
  );
  if (tenantId !== undefined) {
    if (issuer.tenants !== "*" && !issuer.tenants.includes(tenantId))
      throw unauthenticated("tenant", { detail: "the issuer may not sign for this tenant" });
    return { ...who, kind: "member", tenantId, scopes, agent };
  }
  if (!issuer.operator || agent || !scopes.includes(operatorScope))
    throw unauthenticated("tenant", { detail: "tenant_id is missing, and it is no token of the operator" });
  // An operator reaches no credential, so such a token has another meaning than it would get here.
  if (namesSubjects(narrowing))
    throw unauthenticated("claims", { detail: "a token of the operator is narrowed" });
  return { ...who, kind: "operator" };
}

function reasonOf(error: unknown): AuthenticationFailure {
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWTClaimValidationFailed) return "claims";
  if (error instanceof errors.JWKSTimeout) return "keys";
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return "malformed";
  return "signature";
}
