import { createPublicKey, generateKeyPairSync, type KeyObject, randomUUID, verify } from "node:crypto";
import type { Credentials, Key, Signing } from "../accounts.ts";
import { Refused } from "../refusal.ts";
import { header, isRecord, type WireRequest } from "../request.ts";
import type { Claim } from "../venue.ts";

// Source: docs.cdp.coinbase.com, "Authenticate" (JWT).

const venueHost = "api.coinbase.com";
const lifetimeMs = 120_000;
/** What "Authenticate" has tokens say, and the name before it, which ccxt still gives with its ECDSA keys. */
const issuers: readonly unknown[] = ["cdp", "coinbase-cloud"];
const aheadMs = 1000;

/**
 * ES256 with a named key, as the trading keys of old; or Ed25519 with a UUID, the present default of the
 * portal.
 */
export function issue({ signing }: { signing: Signing | undefined }): Credentials {
  if (signing !== "ed25519") {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
    return {
      apiKey: `organizations/${randomUUID()}/apiKeys/${randomUUID()}`,
      apiSecret: privateKey.export({ type: "sec1", format: "pem" }),
    };
  }
  const { d = "", x = "" } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const bytes = Buffer.concat([Buffer.from(d, "base64url"), Buffer.from(x, "base64url")]);
  return { apiKey: randomUUID(), apiSecret: bytes.toString("base64") };
}

/** A PEM, or 64 bytes in base64: the seed and then the public key. */
export function verifier(apiSecret: string): KeyObject {
  if (apiSecret.startsWith("-----BEGIN")) return createPublicKey(apiSecret);
  const x = Buffer.from(apiSecret, "base64").subarray(32).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

const bearer = (request: WireRequest): Jwt | undefined =>
  readJwt(/^Bearer (\S+)$/.exec(header(request, "authorization"))?.[1] ?? "");

export function claim(request: WireRequest): Claim {
  const { header: head, claims } = bearer(request) ?? {};
  if (!isRecord(head) || !isRecord(claims)) throw new Refused("missing_credentials");
  const { sub, iss, nbf, exp } = claims;
  if (typeof sub !== "string" || sub !== head["kid"]) throw new Refused("missing_credentials");
  if (!issuers.includes(iss)) throw new Refused("bad_signature");
  const [signedAtMs, endsAtMs] = [Number(nbf) * 1000, Number(exp) * 1000];
  const lastsMs = endsAtMs - signedAtMs;
  // A token lives for two minutes at most ("Authenticate", `exp`). One that says it lives longer is valid at
  // no time.
  const windowMs = lastsMs <= lifetimeMs ? lastsMs : Number.NaN;
  return { apiKey: sub, signedAtMs, windowMs, aheadMs };
}

/**
 * The token names method, host and path; here it may name the venue's host or the one that was really asked.
 */
function namesRequest(claims: unknown, request: WireRequest): boolean {
  if (!isRecord(claims)) return false;
  const named: readonly unknown[] = Array.isArray(claims["uris"]) ? claims["uris"] : [claims["uri"]];
  const host = header(request, "host");
  const accepted = [venueHost, host, `http://${host}`].map(
    (host) => `${request.method} ${host}${request.path}`,
  );
  return named.some((uri) => typeof uri === "string" && accepted.includes(uri));
}

export function signatureHolds(request: WireRequest, { verifier }: Key): boolean {
  const jwt = bearer(request);
  return (
    jwt !== undefined &&
    typeof verifier !== "string" &&
    signsWith(jwt, verifier) &&
    namesRequest(jwt.claims, request) &&
    verifyCoinbase(jwt, verifier)
  );
}

export type Jwt = Readonly<{ header: unknown; claims: unknown; signed: string; signature: Buffer }>;

/** The three parts of a compact JWS (RFC 7515 §7.1), decoded; `undefined` when it is none. */
export function readJwt(token: string): Jwt | undefined {
  const [header, claims, signature, ...rest] = token.split(".");
  if (header === undefined || claims === undefined || signature === undefined || rest.length > 0)
    return undefined;
  const bytes = Buffer.from(signature, "base64url");
  // Base64 that decodes to the same bytes in another spelling is another token.
  if (bytes.toString("base64url") !== signature) return undefined;
  try {
    return {
      header: JSON.parse(Buffer.from(header, "base64url").toString()),
      claims: JSON.parse(Buffer.from(claims, "base64url").toString()),
      signed: `${header}.${claims}`,
      signature: bytes,
    };
  } catch {
    return undefined;
  }
}

/** Whether the token says that it is signed the way this key signs. */
function signsWith({ header }: Jwt, key: KeyObject): boolean {
  const alg = key.asymmetricKeyType === "ed25519" ? "EdDSA" : "ES256";
  return typeof header === "object" && header !== null && "alg" in header && header.alg === alg;
}

/**
 * ES256 for a P-256 key (RFC 7518 §3.4: r and s side by side), EdDSA for an Ed25519 key (RFC 8037 §3.1). The
 * key decides the algorithm, never the token.
 */
export function verifyCoinbase(
  { signed, signature }: Pick<Jwt, "signed" | "signature">,
  key: KeyObject,
): boolean {
  const data = Buffer.from(signed);
  if (key.asymmetricKeyType === "ed25519") return verify(null, data, key, signature);
  return verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature);
}
