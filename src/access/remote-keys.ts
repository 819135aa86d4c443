import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from "jose";
import { z } from "zod";
import { guardedUrl } from "../config-values.ts";

type KeySet = Readonly<{ find: JWTVerifyGetKey; loadedAt: number }>;

export type RemoteIssuer = Readonly<{ issuer: string; jwks_uri?: string | undefined }>;

/** A key that the issuer took back is refused within this time. */
const freshMs = 5 * 60_000;
/** At most this often is an issuer asked, whatever tokens arrive; also how late a new key may be known. */
const pauseMs = 30_000;
/** While the issuer cannot be reached, keys of this age still count. */
const staleMs = 60 * 60_000;
const timeoutMs = 5000;
const longestAnswer = 256 * 1024;

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })) });
const metadata = z.object({ issuer: z.string(), jwks_uri: guardedUrl });

/**
 * The public keys of an issuer, fetched from its JWK Set (RFC 7517) and kept. Nothing in a token decides what is fetched: the
 * address comes from the configuration, or from the OpenID metadata of the issuer that the configuration names. A token
 * with an unknown key id leads to one fetch at most, and then to none for half a minute.
 */
export class RemoteKeys {
  readonly #issuer: RemoteIssuer;
  readonly #now: () => number;
  #keys: KeySet | null = null;
  #triedAt = -Infinity;
  #loading: Promise<void> | null = null;

  constructor(issuer: RemoteIssuer, now: () => number = Date.now) {
    this.#issuer = issuer;
    this.#now = now;
  }

  /** The key for a token's header. Throws errors of jose: without a matching key, and when no keys could be had. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (this.#age() >= freshMs) await this.#load();
    if (this.#keys === null || this.#age() >= staleMs)
      throw new errors.JWKSTimeout("the issuer's keys cannot be had");
    const keys = this.#keys;
    try {
      return await keys.find(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#load();
      if (this.#keys === keys) throw error;
      return this.#keys.find(header, token);
    }
  };

  #age(): number {
    return this.#keys === null ? Infinity : this.#now() - this.#keys.loadedAt;
  }

  /** Loads the keys unless that was tried a moment ago; callers that come meanwhile wait for the same answer. */
  async #load(): Promise<void> {
    if (this.#loading === null) {
      if (this.#now() - this.#triedAt < pauseMs) return;
      this.#triedAt = this.#now();
      this.#loading = this.#fetchKeys().finally(() => (this.#loading = null));
    }
    await this.#loading;
  }

  /** Leaves the keys as they are when the issuer gives none. */
  async #fetchKeys(): Promise<void> {
    try {
      const address = this.#issuer.jwks_uri ?? (await discover(this.#issuer.issuer));
      const set: JSONWebKeySet = keySet.parse(await fetchJson(address));
      this.#keys = { find: createLocalJWKSet(set), loadedAt: this.#now() };
    } catch {
      // Told by the age of the keys: an issuer may be away for a while.
    }
  }
}

/** OpenID Connect Discovery 1.0 §4: the metadata must name the very issuer that was asked. */
async function discover(issuer: string): Promise<string> {
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const found = metadata.parse(await fetchJson(address));
  if (found.issuer !== issuer) throw new Error("the metadata are another issuer's");
  return found.jwks_uri;
}

/** Follows no redirect, and reads no more than a key set can be long. */
async function fetchJson(address: string): Promise<unknown> {
  const response = await fetch(address, {
    redirect: "error",
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(timeoutMs),
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
