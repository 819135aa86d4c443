import { verify } from "node:crypto";
import type { KeyObject } from "node:crypto";

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
export function signsWith({ header }: Jwt, key: KeyObject): boolean {
  const alg = key.asymmetricKeyType === "ed25519" ? "EdDSA" : "ES256";
  return typeof header === "object" && header !== null && "alg" in header && header.alg === alg;
}

/**
 * ES256 for a P-256 key (RFC 7518 §3.4: r and s side by side), EdDSA for an Ed25519 key (RFC 8037 §3.1). The key
 * decides the algorithm, never the token.
 */
export function verifyCoinbase(
  { signed, signature }: Pick<Jwt, "signed" | "signature">,
  key: KeyObject,
): boolean {
  const data = Buffer.from(signed);
  if (key.asymmetricKeyType === "ed25519") return verify(null, data, key, signature);
  return verify("sha256", data, { key, dsaEncoding: "ieee-p1363" }, signature);
}
