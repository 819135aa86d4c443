import { generateKeyPairSync, randomUUID } from "node:crypto";
import { link, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { calculateJwkThumbprint, createLocalJWKSet, importJWK, SignJWT } from "jose";
import { z } from "zod";
import { StartError } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";
import { readOwnFile } from "../own-file.ts";
import type { Issuer } from "./tokens.ts";

export type TokenRequest = Readonly<{
  /** Left out for a token of the operator. */
  tenantId?: string;
  subject: string;
  scopes: readonly string[];
  agent?: boolean;
  /** The narrowing of the token. */
  credentials?: readonly string[];
  accounts?: readonly string[];
  networks?: readonly string[];
  /** At most an hour. */
  ttlSeconds: number;
}>;

export type LocalIssuer = Readonly<{
  issuer: Issuer;
  /** Throws `RangeError` for a lifetime that the verifier would not accept. */
  mintToken(request: TokenRequest): Promise<string>;
}>;

/** The `iss` of tokens that Keyhold signs itself, and the issuer of members who use them. */
export const localIssuerName = "urn:keyhold:local";
/** The file of its key, in the state folder of the service. */
export const signingKeyName = "signing-key.json";
const what = "The signing key";
const audience = "keyhold";
const algorithm = "Ed25519";
const longestLifeSeconds = 3600;

const privateKey = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.base64url().length(43),
  d: z.base64url().length(43),
});

/**
 * Keyhold as an issuer of its own, so that a first try needs no identity provider. Its key is in
 * `signing-key.json` of the folder, readable by its owner only, and is made if it is missing. It may sign for
 * each tenant and for the operator. Throws `StartError` for a file that others can read or that contains no
 * such key.
 */
export async function openLocalIssuer(folder: string): Promise<LocalIssuer> {
  const path = join(folder, signingKeyName);
  const key = (await readKey(path)) ?? (await createKey(path));
  const { kty, crv, x } = key;
  const kid = await calculateJwkThumbprint({ kty, crv, x });
  const signer = await importJWK(key, algorithm);
  const issuer: Issuer = {
    issuer: localIssuerName,
    audience,
    algorithms: [algorithm],
    tenants: "*",
    operator: true,
    typ: "at+jwt",
    maxAgeSeconds: longestLifeSeconds,
    findKey: createLocalJWKSet({ keys: [{ kty, crv, x, kid, alg: algorithm, use: "sig" }] }),
  };
  return {
    issuer,
    mintToken: (request) =>
      compose(request).setProtectedHeader({ alg: algorithm, typ: issuer.typ, kid }).sign(signer),
  };
}

function compose({ tenantId, subject, scopes, agent, ttlSeconds, ...narrowing }: TokenRequest): SignJWT {
  if (!(ttlSeconds >= 1 && ttlSeconds <= longestLifeSeconds)) {
    throw new RangeError(`a token lives from 1 to ${longestLifeSeconds} seconds`);
  }
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({
    scope: scopes.join(" "),
    ...(tenantId === undefined ? {} : { tenant_id: tenantId }),
    ...(agent === undefined ? {} : { agent }),
    ...narrowing,
  })
    .setIssuer(localIssuerName)
    .setAudience(audience)
    .setSubject(subject)
    .setJti(randomUUID())
    .setIssuedAt(now)
    .setExpirationTime(now + Math.floor(ttlSeconds));
}

/** `null` when the file does not exist yet. */
async function readKey(path: string): Promise<z.output<typeof privateKey> | null> {
  const text = await readOwnFile(path, what);
  if (text === null) return null;
  try {
    return privateKey.parse(JSON.parse(text));
  } catch {
    throw noKey(path);
  }
}

function noKey(path: string): StartError {
  return refusal(
    path,
    "holds no Ed25519 private key as a JSON Web Key. Restore it, or move it away to have a new one made.",
  );
}

/**
 * When two processes start at once, each writes a file of its own. The first to link it to the name wins,
 * because a link never replaces a file. So no reader sees half a key.
 */
async function createKey(path: string): Promise<z.output<typeof privateKey>> {
  const key = privateKey.parse(generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" }));
  const draft = `${path}.${randomUUID()}`;
  await makeFolder(dirname(path), "KEYHOLD_FOLDER");
  try {
    await using file = await open(draft, "wx", 0o600);
    await file.writeFile(`${JSON.stringify(key)}\n`);
    await file.sync();
    await link(draft, path);
    return key;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw refusal(path, `cannot be made (${codeOf(error)}).`, error);
    return (await readKey(path)) ?? (await createKey(path));
  } finally {
    await rm(draft, { force: true });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
}

function refusal(path: string, reason: string, cause?: unknown): StartError {
  return new StartError(`${what} ${path} ${reason}`, { cause });
}
