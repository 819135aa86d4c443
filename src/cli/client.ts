import { setTimeout as sleep } from "node:timers/promises";
import type { z } from "zod";
import { readClientConfig } from "../config/config.ts";
import { CliError, hints } from "./errors.ts";
import { problemOf } from "./problem.ts";

export type Method = "GET" | "POST" | "PATCH" | "PUT" | "DELETE";

export type Sent = Readonly<{
  /** What is `undefined` is left out. */
  query?: Readonly<Record<string, string | undefined>>;
  body?: object;
  headers?: Readonly<Record<string, string>>;
}>;

/** Talks to the API. Every method throws `CliError`, whose text a person can act on. */
export type Client = Readonly<{
  /** The answer in JSON, checked by `shape`. */
  json<T>(shape: z.ZodType<T>, method: Method, path: string, sent?: Sent): Promise<T>;
  /** For an answer without a body. */
  empty(method: Method, path: string, sent?: Sent): Promise<void>;
  /** The answer as it came and never as text: for secrets. */
  bytes(method: Method, path: string, sent?: Sent): Promise<Uint8Array>;
  /** The answer piece by piece, of any length. */
  stream(path: string): AsyncIterable<Uint8Array>;
}>;

type Environment = Readonly<Record<string, string | undefined>>;

/** One call of a venue is bounded by ten seconds, and a request may need several. */
const patienceMs = 60_000;
const pauseMs = 200;

/**
 * Reads `KEYHOLD_URL`, and `KEYHOLD_TOKEN` where no token is given. Throws `StartError` or `CliError` when they are of no use.
 */
export function createClient(environment?: Environment, given?: string): Client {
  const { url, token: set } = readClientConfig(environment);
  const token = given ?? set;
  if (token === null)
    throw new CliError("usage", "KEYHOLD_TOKEN is not set", { hint: hints.unauthenticated });
  const base = `${url.replace(/\/+$/, "").replace(/\/api\/v1$/, "")}/api/v1`;
  const send = (method: Method, path: string, sent: Sent = {}, signal?: AbortSignal): Promise<Response> =>
    reach(addressOf(base + path, sent), initOf(token, method, sent, signal), { service: url, token });
  const inTime = () => AbortSignal.timeout(patienceMs);
  return {
    async json(shape, method, path, sent) {
      const response = await send(method, path, sent, inTime());
      const parsed = shape.safeParse(await response.json().catch(() => undefined));
      if (parsed.success) return parsed.data;
      throw new CliError("unavailable", `${url} gave an answer that this version does not understand`, {
        hint: hints.unsupported_media_type,
      });
    },
    async empty(method, path, sent) {
      const response = await send(method, path, sent, inTime());
      await response.body?.cancel();
    },
    bytes: async (method, path, sent) => (await send(method, path, sent, inTime())).bytes(),
    async *stream(path) {
      const { body } = await send("GET", path);
      if (body !== null) yield* body;
    },
  };
}

function addressOf(address: string, { query = {} }: Sent): URL {
  const url = new URL(address);
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) url.searchParams.set(name, value);
  return url;
}

function initOf(token: string, method: Method, { body, headers }: Sent, signal?: AbortSignal): RequestInit {
  return {
    method,
    // A redirect would carry the token to wherever it points.
    redirect: "error",
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** A read is sent once more where the connection failed or the service answered with a 5xx; a write is not. */
async function reach(address: URL, init: RequestInit, caller: Caller): Promise<Response> {
  const first = await attempt(address, init);
  const isLost = first instanceof Error ? hasBroken(first) : first.status >= 500;
  if (!isLost || init.method !== "GET") return acceptable(first, caller);
  await sleep(pauseMs);
  return acceptable(await attempt(address, init), caller);
}

type Caller = Readonly<{ service: string; token: string }>;

/** A connection's own error has a code; a time-out and a redirect that is not followed have none. */
function hasBroken({ cause }: Error): boolean {
  return cause instanceof Error && "code" in cause;
}

function attempt(address: URL, init: RequestInit): Promise<Response | Error> {
  return fetch(address, init).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  );
}

async function acceptable(answer: Response | Error, { service, token }: Caller): Promise<Response> {
  if (answer instanceof Error) throw unreachable(answer, service);
  if (answer.ok) return answer;
  if (answer.status !== 401) throw await problemOf(answer, service);
  const { explainToken } = await import("./own-token.ts");
  throw await problemOf(answer, service, explainToken(token));
}

/** By the code of the system or of OpenSSL, which fetch puts into the cause. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "no program listens there",
  ENOTFOUND: "the host is not known",
  ECONNRESET: "the connection was closed",
  ERR_SSL_WRONG_VERSION_NUMBER: "it speaks no TLS; try http://",
  UND_ERR_SOCKET: "the connection was closed; a service with TLS needs https://",
  CERT_HAS_EXPIRED: "its certificate has expired",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not trusted; NODE_EXTRA_CA_CERTS names the authority",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not trusted; NODE_EXTRA_CA_CERTS names the authority",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
};

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  return Object.hasOwn(reasons, code) ? `: ${reasons[code]}` : "";
}

function unreachable(error: unknown, service: string): CliError {
  if (error instanceof Error && error.name === "TimeoutError") {
    return new CliError("unavailable", `${service} did not answer within ${patienceMs / 1000} seconds`);
  }
  return new CliError("unavailable", `${service} cannot be reached${reasonOf(error)}`, {
    hint: "`keyhold serve` starts a service on this machine; KEYHOLD_URL names another one",
  });
}
