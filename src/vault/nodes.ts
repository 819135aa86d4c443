import { DelegateBackoff, handleWhen, retry } from "cockatiel";
import { Agent, request } from "undici";
import type { VaultAuth } from "../config/stores.ts";
import { guardedUrl } from "../config/values.ts";
import { StartError } from "../errors.ts";
import {
  isUnavailable,
  reasonOfNetworkError,
  StoreTrouble,
  throwUnavailable,
  type UnavailableReason,
} from "../remote/failure.ts";

export type VaultSettings = Readonly<{
  /** URLs of all nodes: https, or http to this machine. No other node gets a request. */
  addresses: readonly string[];
  auth: VaultAuth;
  namespace?: string | undefined;
  /** Authorities that sign the certificates of the nodes (PEM), in place of those that Node trusts. */
  ca?: string | undefined;
  /** Milliseconds for one call with all its attempts. */
  deadlineMs?: number | undefined;
  /** Milliseconds for one node to connect, and to continue its answer, before the next node is asked. */
  attemptMs?: number | undefined;
}>;

export type VaultRequest = Readonly<{
  method: "GET" | "POST";
  /** Below `/v1/`. */
  path: string;
  token?: string;
  body?: object;
  /** A standby may answer with data that is a moment old; the active node has all data. */
  at?: "active";
}>;

/** Neither a server error nor a redirect. The body is JSON, or `null`. */
export type VaultAnswer = Readonly<{ status: number; body: unknown }>;

const maxAnswerBytes = 4 * 1024 * 1024;
const defaultDeadlineMs = 5000;
const defaultAttemptMs = 1500;
const longestPauseMs = 250;
const healthPath = "sys/health?standbycode=204&perfstandbycode=204";

/**
 * The nodes of one cluster. A request goes to the node that answered last, then to the others in turn, until
 * one answers or the deadline passes. After the loss of a leader the others need some seconds to elect a new
 * one.
 */
export class Nodes {
  readonly #origins: readonly string[];
  readonly #agent: Agent;
  readonly #namespace: string | undefined;
  readonly #deadlineMs: number;
  #preferred = 0;

  /** Throws `StartError` for addresses that may not be used. */
  constructor(settings: VaultSettings) {
    const { ca, attemptMs = defaultAttemptMs, deadlineMs = defaultDeadlineMs } = settings;
    this.#origins = originsOf(settings.addresses);
    this.#namespace = settings.namespace;
    this.#deadlineMs = deadlineMs;
    this.#agent = new Agent({
      connections: 64,
      // With HTTP/2 the client lets all requests wait for its first connection, and a node that accepts
      // connections and never answers would cost each of them a time-out in turn.
      allowH2: false,
      connect: { timeout: attemptMs, ...(ca === undefined ? {} : { ca }) },
      headersTimeout: attemptMs,
      bodyTimeout: attemptMs,
      maxResponseSize: maxAnswerBytes,
    });
  }

  /**
   * Throws `StoreTrouble`, always `unavailable`. The request must be safe to send twice, because an answer
   * can be lost.
   */
  async send(call: VaultRequest): Promise<VaultAnswer> {
    const end = performance.now() + this.#deadlineMs;
    const deadline = AbortSignal.timeout(this.#deadlineMs);
    const first = this.#preferred;
    const reasons = new Reasons();
    // No pause outlasts the deadline, so that the last failure gives the reason, and not the end of the time.
    const again = handleWhen((error) => isUnavailable(error) && performance.now() + longestPauseMs < end);
    const asked = retry(again, { maxAttempts: Number.MAX_SAFE_INTEGER, backoff: this.#pauses() }).execute(
      ({ attempt }) => reasons.of(this.#attempt(call, (first + attempt) % this.#origins.length, deadline)),
      deadline,
    );
    return asked.catch((error: unknown) => {
      throw deadline.aborted ? (reasons.known ?? error) : error;
    });
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  /** No pause before the next node; a growing pause when all nodes were asked. */
  #pauses() {
    const nodes = this.#origins.length;
    return new DelegateBackoff(({ attempt }: { attempt: number }) => {
      if (attempt % nodes !== 0) return 0;
      return Math.min(longestPauseMs, 25 * 2 ** (attempt / nodes)) * (0.5 + Math.random() / 2);
    });
  }

  async #attempt(call: VaultRequest, node: number, deadline: AbortSignal): Promise<VaultAnswer> {
    let asked = call.at === "active" ? await this.#findActive(node, deadline) : node;
    for (const _ of this.#origins) {
      const { movedTo, ...answer } = await this.#exchange(call, asked, deadline);
      if (movedTo === null) {
        this.#preferred = asked;
        return answer;
      }
      // A standby points to the active node, or to one that has died since. Only a listed host gets the
      // token.
      asked = this.#origins.indexOf(movedTo);
      if (asked === -1) break;
    }
    throwUnavailable("failing");
  }

  async #findActive(first: number, deadline: AbortSignal): Promise<number> {
    const nodes = this.#origins.length;
    if (nodes === 1) return first;
    for (const offset of this.#origins.keys()) {
      const node = (first + offset) % nodes;
      const health = this.#exchange({ method: "GET", path: healthPath }, node, deadline);
      if ((await health.catch(() => null))?.status === 200) return node;
    }
    throwUnavailable("failing");
  }

  async #exchange(
    call: VaultRequest,
    node: number,
    deadline: AbortSignal,
  ): Promise<VaultAnswer & Readonly<{ movedTo: string | null }>> {
    try {
      const response = await request(`${this.#origins[node] ?? ""}/v1/${call.path}`, {
        method: call.method,
        dispatcher: this.#agent,
        signal: deadline,
        headers: this.#headersOf(call),
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      });
      const { statusCode: status, headers } = response;
      const text = await response.body.text();
      if (status === 307) return { status, body: null, movedTo: originOf(headers["location"]) };
      const reason = reasonOfStatus(status, text);
      if (reason !== null) throwUnavailable(reason);
      return { status, body: parse(text), movedTo: null };
    } catch (error) {
      if (error instanceof StoreTrouble) throw error;
      throwUnavailable(reasonOfNetworkError(error));
    }
  }

  #headersOf({ path, token }: VaultRequest): Record<string, string> {
    const headers: Record<string, string> = {
      // A Vault agent can demand it, because a page in a browser cannot send it.
      "x-vault-request": "true",
      "user-agent": "keyhold",
    };
    if (token !== undefined) headers["x-vault-token"] = token;
    // Health belongs to the node, outside of any namespace.
    if (this.#namespace !== undefined && path !== healthPath) headers["x-vault-namespace"] = this.#namespace;
    return headers;
  }
}

/**
 * The last reason that is more than a time-out: an attempt that the deadline cuts off gives no better one.
 */
class Reasons {
  known: StoreTrouble | null = null;

  async of<T>(attempt: Promise<T>): Promise<T> {
    try {
      return await attempt;
    } catch (error) {
      if (isUnavailable(error) && error.answer.reason !== "timeout") this.known = error;
      throw error;
    }
  }
}

/** The empty text is no listed node. */
function originOf(location: string | string[] | undefined): string {
  return typeof location === "string" && URL.canParse(location) ? new URL(location).origin : "";
}

function parse(text: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    throwUnavailable("failing");
  }
}

/**
 * Why an answer with this status does not count; `null` when it counts. 412, 472 and 473 come from standbys
 * of replicated clusters that cannot serve the request now (Vault's API documentation, "HTTP status codes"
 * and "sys/health").
 */
function reasonOfStatus(status: number, text: string): UnavailableReason | null {
  if (status === 429) return "overloaded";
  if (status === 501 || (status === 503 && / is sealed/.test(text))) return "sealed";
  if (status >= 500 || [412, 472, 473].includes(status) || (status >= 300 && status < 400)) return "failing";
  return null;
}

/**
 * The origins of the nodes. Throws `StartError` for an address that is no origin, or that the token could be
 * read from: secrets are sealed on the way, but the token is not.
 */
function originsOf(addresses: readonly string[]): readonly string[] {
  if (addresses.length === 0) throw new StartError("No address of Vault is configured.");
  return addresses.map((address) => {
    if (!guardedUrl.safeParse(address).success) {
      throw new StartError("An address of Vault must be an https URL, or an http URL of this machine.");
    }
    const { origin, pathname, search, username, password } = new URL(address);
    if (pathname !== "/" || search !== "" || username !== "" || password !== "") {
      throw new StartError("An address of Vault must be a scheme, a host and a port, and nothing else.");
    }
    return origin;
  });
}
