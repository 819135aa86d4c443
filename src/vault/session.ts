import { StoreTrouble } from "../remote/failure.ts";
import { isKnown, type Lease, login, renew } from "./login.ts";
import type { Nodes } from "./nodes.ts";
import type { VaultAuth } from "../config/stores.ts";

/** After a refusal nobody tries to log in for this long: servers lock out whoever fails too often. */
const defaultPauseMs = 5000;
/** How long a timer can be set for. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * The token of this process: got at the first call, renewed when two thirds of its lease have passed, replaced when it has ended.
 * Whatever happens at once, one login is under way at most.
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

  /** Whether a call that was refused is worth repeating, since `token` has ended and there is another by now, or will be. */
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

  /** A refusal is remembered for a moment; an outage is asked about again at once. */
  #forgetLogin(error: unknown): void {
    const refused = error instanceof StoreTrouble && error.answer.outcome === "denied";
    if (refused) setTimeout(() => (this.#login = null), this.#pauseMs).unref();
    else this.#login = null;
  }

  /** `full` are the seconds that a new token gets. */
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
    // No answer: the token holds for a third of its lease yet. If nothing helps, the next call finds it ended.
    if (renewed === undefined) return this.#renewIn((full * 1000) / 12, lease, full);
    // Much less than a full lease is all that is left until the token's last day.
    const lasting = renewed !== null && renewed.seconds >= full / 2;
    if (lasting || (renewed !== null && this.#auth.method === "token")) return this.#adopt(renewed, full);
    await this.#enter().catch(() => undefined);
  }
}
