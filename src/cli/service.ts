import { type Client, createClient, KeyholdProblem } from "@keyhold/client";
import { decodeJwt } from "jose";
import { readClientConfig } from "../config/config.ts";
import { type ErrorCode, errors } from "../errors.ts";
import { CliError, hintFor, hints } from "./errors.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** How long a command waits for an answer. */
const patienceMs = 60_000;

/**
 * A client for the service of `KEYHOLD_URL`, with `KEYHOLD_TOKEN` where no token is given. Throws
 * `StartError` or `CliError` when they are of no use.
 */
export function connect(environment?: Environment, token?: string): Client {
  const caller = callerOf(environment, token);
  if (caller.token === null)
    throw new CliError("usage", "KEYHOLD_TOKEN is not set", { hint: hints.unauthenticated });
  if (/[^\x20-\x7e]/.test(caller.token))
    throw new CliError("usage", "KEYHOLD_TOKEN holds characters that no token has");
  // A person repeats a change, who has seen what became of the first one.
  const retries = { reads: 1, changes: 0 };
  return createClient({ baseUrl: caller.url, token: caller.token, retries, timeoutMs: patienceMs });
}

function callerOf(environment?: Environment, token?: string) {
  const { url, token: set } = readClientConfig(environment);
  return { url, token: token ?? set };
}

/**
 * What a failed request means to the person at the command line, as a `CliError`. What is no failed request
 * is returned as it is.
 */
export function explain(error: unknown, environment?: Environment, token?: string): unknown {
  if (error instanceof KeyholdProblem) return refusalOf(error, callerOf(environment, token));
  if (!(error instanceof Error)) return error;
  const { url } = callerOf(environment, token);
  if (error.name === "TimeoutError")
    return new CliError("unavailable", `${url} did not answer within ${patienceMs / 1000} seconds`);
  // What `fetch` throws when there is no answer has a cause.
  if (!(error instanceof TypeError && error.cause instanceof Error)) return error;
  const reason = reasonOf(error.cause);
  return new CliError("unavailable", `${url} cannot be reached${reason === null ? "" : `: ${reason}`}`, {
    hint: "`keyhold serve` starts a service on this machine; KEYHOLD_URL names another one",
  });
}

function refusalOf(problem: KeyholdProblem, { url, token }: ReturnType<typeof callerOf>): CliError {
  const { status, code, title, detail, requestId, document } = problem;
  const failure = problem.isTemporary && status !== 409 ? "unavailable" : "refused";
  if (code === null) {
    const hint = hintFor("unsupported_media_type");
    if (status === 200)
      return new CliError("unavailable", `${url} gave an answer that this version does not understand`, {
        hint,
      });
    return new CliError(failure, `${url} answered ${status}, and not as Keyhold does`, { hint });
  }
  const outcome = typeof document["outcome"] === "string" ? document["outcome"] : undefined;
  const isOfToken = status === 401 && token !== null;
  return new CliError(failure, `${title.charAt(0).toLowerCase()}${title.slice(1)} (${code})`, {
    document,
    code,
    detail: code === "internal" && requestId !== null ? `${detail} ${requestId}` : inOptions(detail),
    hint: isOfToken ? explainToken(token) : isKnown(code) ? hintFor(code, outcome) : undefined,
  });
}

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(errors, code);
}

/** What the command line calls the fields of requests, where its name is another one. */
const options: Readonly<Record<string, string>> = {
  account_id: "--account",
  "policy.allow": "--allow",
  "policy.reveal": "--reveal",
  expires_at: "--expires",
  validation: "--deferred",
  overlap_seconds: "--overlap",
  allow_wider: "--allow-wider",
  every_days: "--every",
  parent_credential_id: "--parent",
  credential_id: "--credential",
  api_key_id: "--api-key",
  endpoint_id: "--webhook",
  scopes: "--scope",
  credentials: "--credential",
  accounts: "--account",
  networks: "--network",
  events: "--event",
  name: "the name",
  secret: "the secret",
  venue: "the venue",
  operation: "the operation",
};

/** A refusal names the fields of a request; a person has typed options. */
function inOptions(detail: string): string {
  return detail
    .replaceAll(/\bparams\.(\w+)/g, "--param $1")
    .replaceAll(/\b(?:body|query|path)\.([a-z]\w*(?:\.[a-z]\w*)?)(?:\.\d+)?/g, (_, path: string) => {
      const [field = ""] = path.split(".");
      if (field === "secret") return path;
      return options[path] ?? options[field] ?? `--${field.replaceAll("_", "-")}`;
    });
}

/** By the code of the system or of OpenSSL. */
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

function reasonOf(cause: Error): string | null {
  const code = "code" in cause ? String(cause.code) : "";
  return Object.hasOwn(reasons, code) ? (reasons[code] ?? null) : null;
}

/**
 * What a caller that was refused can see in its own token; the service gives no reason. Nothing is verified:
 * the token is the caller's.
 */
export function explainToken(token: string, now: number = Date.now()): string {
  if (/^bearer\s/i.test(token)) return "KEYHOLD_TOKEN begins with Bearer: set it to what follows that";
  if (/^kho?_/.test(token)) return "the API key is not that of this service, was revoked, or has ended";
  const claims = claimsOf(token);
  if (claims === undefined) return "KEYHOLD_TOKEN holds neither a JSON Web Token nor an API key";
  const { iss, sub, exp, nbf, iat, tenant_id: tenant } = claims;
  if (exp !== undefined && exp * 1000 <= now) return `your token expired ${since(now - exp * 1000)} ago`;
  const from = Math.max(nbf ?? 0, iat ?? 0) * 1000;
  if (from > now + skewMs) return `your token begins to hold in ${since(from - now)}: check the clocks`;
  const whose = typeof tenant === "string" ? `of tenant ${tenant}` : "without a tenant_id";
  return `your token is of ${sub ?? "no one"}, ${whose}, signed by ${iss ?? "no one"}: the log of the service says what does not fit`;
}

/** As much as the service lets clocks differ. */
const skewMs = 15_000;

function claimsOf(token: string) {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}

function since(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 1) return `${Math.ceil(ms / 1000)} s`;
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h`;
}
