import { createHmac, generateKeyPairSync, type KeyObject, sign as signBytes } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A key pair of an issuer in a test, as its JWK Set shows it. */
export type TestKey = Readonly<{
  kid: string;
  alg: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
  jwk: object;
}>;

export function makeKey(alg: "ES256" | "RS256" | "EdDSA", kid: string): TestKey {
  const { privateKey, publicKey } = pair(alg);
  return {
    kid,
    alg,
    privateKey,
    publicKey,
    jwk: { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" },
  };
}

function pair(alg: string): { privateKey: KeyObject; publicKey: KeyObject } {
  if (alg === "RS256") return generateKeyPairSync("rsa", { modulusLength: 2048 });
  if (alg === "EdDSA") return generateKeyPairSync("ed25519");
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

/** Text or a value to be written as JSON: text lets a test write what no serializer would. */
export type Part = string | object;

function encode(part: Part | Buffer): string {
  if (Buffer.isBuffer(part)) return part.toString("base64url");
  return Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
}

export type Sign = (input: string) => Buffer;

export function signWith(key: TestKey, alg: string = key.alg): Sign {
  return (input) => {
    const data = Buffer.from(input);
    if (alg === "EdDSA") return signBytes(null, data, key.privateKey);
    if (alg.startsWith("ES"))
      return signBytes("sha256", data, { key: key.privateKey, dsaEncoding: "ieee-p1363" });
    if (alg.startsWith("PS"))
      return signBytes("sha256", data, { key: key.privateKey, padding: 6, saltLength: 32 });
    return signBytes("sha256", data, key.privateKey);
  };
}

export function hmacWith(secret: string | Buffer, hash = "sha256"): Sign {
  return (input) => createHmac(hash, secret).update(input).digest();
}

/** Writes a token from parts, whatever they are. */
export function forge(header: Part, payload: Part | Buffer, sign: Sign): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${sign(input).toString("base64url")}`;
}

/** A JWK Set behind HTTP that counts who asks, and can be told to fail. */
export async function serveKeys(keys: readonly TestKey[]) {
  const state = { keys, requests: 0, failing: false };
  const server = createServer((_, response) => {
    state.requests += 1;
    response.statusCode = state.failing ? 503 : 200;
    response.setHeader("content-type", "application/json");
    response.end(state.failing ? "" : JSON.stringify({ keys: state.keys.map(({ jwk }) => jwk) }));
  });
  const url = await listen(server);
  return {
    state,
    url,
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

export type KeyServer = Awaited<ReturnType<typeof serveKeys>>;

export function listen(server: ReturnType<typeof createServer>): Promise<string> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${addressOf(server.address()).port}`));
  });
}

function addressOf(address: AddressInfo | string | null): AddressInfo {
  if (address === null || typeof address === "string")
    throw new Error("the server does not listen on a port");
  return address;
}
