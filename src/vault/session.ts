import { readFile } from "node:fs/promises";
import { z } from "zod";
import type { VaultAuth } from "../config/stores.ts";
import { StoreTrouble, throwDenied, throwUnavailable } from "../remote/failure.ts";
import type { Nodes, VaultAnswer } from "./nodes.ts";

/**
 * After a refusal no login is tried for this long, because servers lock out a client that fails too often.
 */
const defaultPauseMs = 5000;
/** The longest time of a timer. */
const longestTimerMs = 2 ** 31 - 1;

/** A token and its lease; 0 seconds is no end. */
type Lease = Readonly<{ token: string; seconds: number; renewable: boolean }>;

/**
 * The token of this process. It is requested at the first call, renewed after two thirds of its lease, and
 * replaced when it has ended. At most one login runs at a time.
 */
export class Session {
  readonly #nodes: Nodes;
  readonly #auth: VaultAuth;
  readonly #pauseMs: number;
  #lease: Lease | null = null;
  #login: Promise<Lease> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(nodes: Nodes, auth: VaultAuth, pauseMs = defaultPauseMs) {
    this.#nodes = nodes;
    this.#auth = auth;
    this.#pauseMs = pauseMs;
  }

  /** Throws `StoreTrouble`. */
  async token(): Promise<string> {
    return (this.#lease ?? (await this.#enter())).token;
  }

  /** Whether to repeat a refused call: `token` has ended, and there is a new one or will be. */
  async hasEnded(token: string): Promise<boolean> {
    if (this.#lease?.token !== token) return true;
    if (await isKnown(this.#nodes, token)) return false;
    if (this.#lease?.token === token) this.#lease = null;
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #enter(): Promise<Lease> {
    this.#login ??= login(this.#nodes, this.#auth).then(
      (lease) => {
        this.#login = null;
        this.#adopt(lease, lease.seconds);
        return lease;
      },
      (error: unknown) => {
        this.#forgetLogin(error);
        throw error;
      },
    );
    return this.#login;
  }

  /** A refusal is remembered for a moment; after an outage the next call tries again at once. */
  #forgetLogin(error: unknown): void {
    const refused = error instanceof StoreTrouble && error.answer.outcome === "denied";
    if (refused) setTimeout(() => (this.#login = null), this.#pauseMs).unref();
    else this.#login = null;
  }

  /** `full` is the lease of a new token, in seconds. */
  #adopt(lease: Lease, full: number): void {
    this.#lease = lease;
    if (lease.seconds > 0) this.#renewIn((lease.seconds * 2000) / 3, lease, full);
  }

  #renewIn(milliseconds: number, lease: Lease, full: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const renewal = (): void => void this.#renew(lease, full);
    this.#timer = setTimeout(renewal, Math.min(milliseconds, longestTimerMs)).unref();
  }

  async #renew(lease: Lease, full: number): Promise<void> {
    const renewed = lease.renewable ? await renew(this.#nodes, lease).catch(() => undefined) : null;
    if (this.#closed || this.#lease?.token !== lease.token) return;
    // Without an answer the token holds for another third of its lease. If it ends, the next call notices
    // that.
    if (renewed === undefined) return this.#renewIn((full * 1000) / 12, lease, full);
    // A lease much shorter than a full one means that the token is near its maximum age.
    const lasting = renewed !== null && renewed.seconds >= full / 2;
    if (lasting || (renewed !== null && this.#auth.method === "token")) return this.#adopt(renewed, full);
    await this.#enter().catch(() => undefined);
  }
}

const loginAnswer = z.object({
  auth: z.object({ client_token: z.string().min(1), lease_duration: z.number(), renewable: z.boolean() }),
});
const lookupAnswer = z.object({ data: z.object({ ttl: z.number(), renewable: z.boolean().default(false) }) });

/**
 * Throws `StoreTrouble`: `login` when the server refuses or the secret cannot be read, or what `Nodes`
 * throws.
 */
async function login(nodes: Nodes, auth: VaultAuth): Promise<Lease> {
  switch (auth.method) {
    case "token":
      return lookUp(nodes, await readSecret(auth.tokenFile));
    case "approle": {
      const body = { role_id: auth.roleId, secret_id: await readSecret(auth.secretIdFile) };
      return enter(nodes, auth.mount ?? "approle", body);
    }
    case "kubernetes":
      return enter(nodes, auth.mount ?? "kubernetes", {
        role: auth.role,
        jwt: await readSecret(auth.jwtFile),
      });
  }
}

/** A new lease for the same token; `null` when the server refuses. */
async function renew(nodes: Nodes, { token }: Lease): Promise<Lease | null> {
  const answer = await nodes.send({ method: "POST", path: "auth/token/renew-self", token, body: {} });
  return answer.status === 200 ? leaseOf(answer) : null;
}

/** Whether the server knows the token. If it does, the policy is the reason of a refusal. */
async function isKnown(nodes: Nodes, token: string): Promise<boolean> {
  return (await nodes.send({ method: "GET", path: "auth/token/lookup-self", token })).status === 200;
}

async function enter(nodes: Nodes, mount: string, body: object): Promise<Lease> {
  const answer = await nodes.send({ method: "POST", path: `auth/${mount}/login`, body });
  if (answer.status !== 200) throwDenied("login");
  return leaseOf(answer);
}

async function lookUp(nodes: Nodes, token: string): Promise<Lease> {
  const answer = await nodes.send({ method: "GET", path: "auth/token/lookup-self", token });
  if (answer.status !== 200) throwDenied("token");
  const parsed = lookupAnswer.safeParse(answer.body);
  if (!parsed.success) throwUnavailable("failing");
  const { ttl, renewable } = parsed.data.data;
  return { token, seconds: ttl, renewable };
}

function leaseOf({ body }: VaultAnswer): Lease {
  const parsed = loginAnswer.safeParse(body);
  if (!parsed.success) throwUnavailable("failing");
  const { client_token, lease_duration, renewable } = parsed.data.auth;
  return { token: client_token, seconds: lease_duration, renewable };
}

async function readSecret(path: string): Promise<string> {
  const text = (await readFile(path, "utf8").catch(() => "")).trim();
  return text === "" ? throwDenied("login") : text;
}
