import {
  decodeJwt,
  decodeProtectedHeader,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyGetKey,
} from "jose";
import { z } from "zod";
import type { ConfiguredIssuer } from "../config.ts";
import { canonicalNetwork, longestList, namesSubjects, type Narrowing } from "./narrowing.ts";
import { operatorScope } from "./permissions.ts";
import { RemoteKeys } from "./remote-keys.ts";
import { type AuthenticationFailure, unauthenticated } from "./unauthenticated.ts";

/** Who may sign tokens, and for which tenants. */
export type Issuer = Readonly<{
  issuer: string;
  audience: string;
  algorithms: readonly string[];
  tenants: "*" | readonly string[];
  operator: boolean;
  typ: "at+jwt" | "JWT";
  maxAgeSeconds: number;
  findKey: JWTVerifyGetKey;
}>;

/** What a verified token says. `validUntil` is in milliseconds since 1970. */
export type VerifiedToken = Readonly<{
  issuer: string;
  subject: string;
  validUntil: number;
  narrowing: Narrowing;
}> &
  (
    | Readonly<{ kind: "member"; tenantId: string; scopes: readonly string[]; agent: boolean }>
    | Readonly<{ kind: "operator" }>
  );

export type VerifyToken = (token: string) => Promise<VerifiedToken>;

const longestToken = 8192;
/** For clocks that differ. */
const skewSeconds = 15;

/** What PostgreSQL cannot hold as text must not come so far: it would be stored as something else. */
const subject = z
  .string()
  .min(1)
  .max(255)
  .refine((value) => !value.includes("\0") && value.isWellFormed());

/** Left out, a claim narrows nothing. Anything else than a list, `null` too, is no token of ours: it was meant to narrow something. */
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

const claims = z.object({
  sub: subject,
  exp: z.number(),
  iat: z.number(),
  tenant_id: z.uuid().toLowerCase().optional(),
  scope: z.string().max(4096).default(""),
  agent: z.boolean().default(false),
  credentials: ids,
  accounts: ids,
  networks,
});

/** An issuer of the configuration, whose keys are fetched when the first token names it. */
export function remoteIssuer(configured: ConfiguredIssuer, now: () => number = Date.now): Issuer {
  const { issuer, audience, algorithms, tenants, operator, typ, max_age_seconds: maxAgeSeconds } = configured;
  const keys = new RemoteKeys(configured, now);
  return { issuer, audience, algorithms, tenants, operator, typ, maxAgeSeconds, findKey: keys.find };
}

/**
 * Verifies JSON Web Tokens as RFC 8725 asks: the issuer decides the keys, the algorithms and the audience, never the token.
 * Headers that point at keys (jku, x5u, jwk, x5c) are not read, and one that demands an extension (crit) is refused.
 * Throws `unauthenticated`, always with the same words.
 */
export function createTokenVerifier(issuers: readonly Issuer[], now: () => number = Date.now): VerifyToken {
  const byName = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  return async (token) => {
    const issuer = byName.get(claimedIssuer(token));
    if (issuer === undefined) throw unauthenticated("issuer");
    const payload = await verify(token, issuer, now());
    return read(payload, issuer);
  };
}

/** Says only whose keys to try; nothing is believed yet. */
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
    throw unauthenticated("malformed", error);
  }
}

async function verify(token: string, issuer: Issuer, now: number): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(token, issuer.findKey, {
      algorithms: [...issuer.algorithms],
      issuer: issuer.issuer,
      audience: issuer.audience,
      typ: issuer.typ,
      requiredClaims: ["exp", "iat", "sub"],
      maxTokenAge: issuer.maxAgeSeconds,
      clockTolerance: skewSeconds,
      currentDate: new Date(now),
    });
    return payload;
  } catch (error) {
    throw unauthenticated(reasonOf(error), error);
  }
}

function read(payload: JWTPayload, issuer: Issuer): VerifiedToken {
  const parsed = claims.safeParse(payload);
  if (!parsed.success) throw unauthenticated("claims");
  const { sub, exp, iat, tenant_id: tenantId, scope, agent, credentials, accounts, networks } = parsed.data;
  const validUntil = 1000 * (Math.min(exp, iat + issuer.maxAgeSeconds) + skewSeconds);
  const narrowing = { credentials, accounts, networks };
  const who = { issuer: issuer.issuer, subject: sub, validUntil, narrowing };
  const scopes = scope.split(" ");
  if (tenantId !== undefined) {
    if (issuer.tenants !== "*" && !issuer.tenants.includes(tenantId)) throw unauthenticated("tenant");
    return { ...who, kind: "member", tenantId, scopes, agent };
  }
  if (!issuer.operator || agent || !scopes.includes(operatorScope)) throw unauthenticated("tenant");
  // An operator reaches no credential, so such a token means something else than it would be taken for.
  if (namesSubjects(narrowing)) throw unauthenticated("claims");
  return { ...who, kind: "operator" };
}

function reasonOf(error: unknown): AuthenticationFailure {
  if (error instanceof errors.JWTExpired) return "expired";
  if (error instanceof errors.JWTClaimValidationFailed) return "claims";
  if (error instanceof errors.JWKSTimeout) return "keys";
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return "malformed";
  return "signature";
}
