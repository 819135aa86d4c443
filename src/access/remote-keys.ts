import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type FetchImplementation,
  type JWTVerifyGetKey,
} from "jose";
import { z } from "zod";
import { guardedUrl } from "../config/values.ts";

/** A key that the issuer has withdrawn is refused within this time, if the issuer can be reached. */
const freshMs = 5 * 60_000;
/**
 * The shortest time between two requests to an issuer, for any number of tokens. A new key may become known
 * this late.
 */
const pauseMs = 30_000;
/** Keys are used up to this age while the issuer cannot be reached. */
const staleMs = 60 * 60_000;
const timeoutMs = 5000;
const longestAnswer = 256 * 1024;

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });
const metadata = z.object({ issuer: z.string(), jwks_uri: guardedUrl });

/**
 * The public keys of an issuer, fetched from its JWK Set (RFC 7517) and cached by jose. A token never decides
 * what is fetched: the address comes from the configuration, or from the OpenID metadata of the configured
 * issuer. A token with an unknown key id causes one request at most, and then none for half a minute.
 */
export class RemoteKeys {
  readonly #issuer: Readonly<{ issuer: string; jwks_uri?: string | undefined }>;
  readonly #report: (error: unknown) => void;
  readonly #keys: JWTVerifyGetKey;
  #kept: JWTVerifyGetKey | null = null;
  #loadedAt = -Infinity;
  #failedAt = -Infinity;

  /** `report` is called for each failed attempt. */
  constructor(
    issuer: Readonly<{ issuer: string; jwks_uri?: string | undefined }>,
    report: (error: unknown) => void = () => {},
  ) {
    this.#issuer = issuer;
    this.#report = report;
    this.#keys = createRemoteJWKSet(new URL(issuer.jwks_uri ?? metadataOf(issuer)), {
      cacheMaxAge: freshMs,
      cooldownDuration: pauseMs,
      timeoutDuration: timeoutMs,
      [customFetch]: this.#fetch,
    });
  }

  /**
   * Until then, in milliseconds since 1970, a token that was verified with these keys needs no other
   * verification.
   */
  get freshUntil(): number {
    return this.#loadedAt + freshMs;
  }

  /**
   * The key for the header of a token. Throws errors of jose without a matching key, and when the keys cannot
   * be fetched.
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    try {
      return await this.#keys(header, token);
    } catch (error) {
      if (!(error instanceof NoKeySet)) throw error;
      // The issuer may be away for a while.
      if (this.#kept === null || Date.now() - this.#loadedAt >= staleMs)
        throw new errors.JWKSTimeout("the keys of the issuer cannot be fetched", { cause: error });
      return this.#kept(header, token);
    }
  };

  /** jose waits after an answer; this waits after a failure. */
  readonly #fetch: FetchImplementation = async (address, { signal }) => {
    if (Date.now() - this.#failedAt < pauseMs) throw new NoKeySet("asked a moment ago");
    try {
      const { jwks_uri: configured, issuer } = this.#issuer;
      const set = keySet.parse(
        await fetchJson(configured ?? (await discover(address, issuer, signal)), signal),
      );
      this.#kept = createLocalJWKSet(set);
      this.#loadedAt = Date.now();
      return Response.json(set);
    } catch (error) {
      this.#failedAt = Date.now();
      this.#report(error);
      throw new NoKeySet("the issuer gave no key set", { cause: error });
    }
  };
}

class NoKeySet extends Error {
  override readonly name = "NoKeySet";
}

/** OpenID Connect Discovery 1.0 §4. */
function metadataOf({ issuer }: Readonly<{ issuer: string; jwks_uri?: string | undefined }>): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
}

/** §4.3: the metadata must name the issuer that was asked. */
async function discover(address: string, issuer: string, signal: AbortSignal): Promise<string> {
  const found = metadata.parse(await fetchJson(address, signal));
  if (found.issuer !== issuer) throw new Error("the metadata are another issuer's");
  return found.jwks_uri;
}

/** Follows no redirect, and limits the length of the answer. */
async function fetchJson(address: string, signal: AbortSignal): Promise<unknown> {
  const response = await fetch(address, {
    redirect: "error",
    headers: { accept: "application/json" },
    signal,
  });
  if (response.status !== 200 || response.body === null) {
    await response.body?.cancel();
    throw new Error("no answer of status 200");
  }
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    length += chunk.byteLength;
    if (length > longestAnswer) throw new Error("the answer is too long");
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString("utf8"));
}
