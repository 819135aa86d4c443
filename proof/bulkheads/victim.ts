import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { IssuedKey } from "../../simulator/control.ts";
import type { VenueId } from "../../simulator/venue.ts";
import { ask, type Request, textIn } from "../ha/client.ts";
import type { Site } from "./site.ts";
import { openTenant, register, type Tenant } from "./tenant.ts";

export type Call = Readonly<{
  kind: Kind;
  /** From when it was due. */
  ms: number;
  status: number;
  code: string;
  /** An order of which the service cannot say what became, although the venue never had it. */
  unknownUnsent: boolean;
}>;

/** What the victim does, and every how many milliseconds. Together about 27 calls a second. */
const paces = {
  reveal: 100,
  show: 200,
  balance: 250,
  "balance, rising nonce": 500,
  order: 500,
  "freeze and unfreeze": 500,
} as const;
type Kind = keyof typeof paces;
const kinds = ["reveal", "show", "balance", "balance, rising nonce", "order", "freeze and unfreeze"] as const;

type AtVenues<T> = Readonly<Record<"alpaca" | "kraken" | "mexc", T>>;

/** A tenant that reads, trades, reveals and freezes at a steady pace, and notes what came of it. */
export class Victim {
  readonly #site: Site;
  readonly #tenant: Tenant;
  readonly #keys: AtVenues<IssuedKey>;
  readonly #ids: AtVenues<string>;
  #orders = 0;

  constructor(site: Site, tenant: Tenant, keys: AtVenues<IssuedKey>, ids: AtVenues<string>) {
    this.#site = site;
    this.#tenant = tenant;
    this.#keys = keys;
    this.#ids = ids;
  }

  /** Works until the signal comes, then waits for the answers that are still out. */
  async work(until: AbortSignal): Promise<readonly Call[]> {
    const calls: Promise<readonly Call[]>[] = [];
    await Promise.all(
      kinds.map(async (kind, at) => {
        const start = performance.now() + at * 17;
        for (let turn = 0; !until.aborted; turn += 1) {
          const due = start + turn * paces[kind];
          await sleep(Math.max(0, due - performance.now()));
          calls.push(this.#do(kind, due));
        }
      }),
    );
    return (await Promise.all(calls)).flat();
  }

  async #do(kind: Kind, due: number): Promise<readonly Call[]> {
    const { alpaca, kraken, mexc } = this.#ids;
    switch (kind) {
      case "reveal":
        return [await this.#ask(kind, due, post(`/credentials/${alpaca}/reveal`, { reason: "to trade" }))];
      case "show":
        return [await this.#ask(kind, due, { method: "GET", path: `/credentials/${alpaca}` })];
      case "balance":
        return [await this.#ask(kind, due, invoke(alpaca, "fetchBalance"))];
      case "balance, rising nonce":
        return [await this.#ask(kind, due, invoke(kraken, "fetchBalance"))];
      case "order":
        return [await this.#order(due)];
      case "freeze and unfreeze": {
        const frozen = await this.#ask(kind, due, post(`/credentials/${mexc}/freeze`, {}));
        const thawed = await this.#ask(kind, performance.now(), post(`/credentials/${mexc}/unfreeze`));
        return [frozen, thawed];
      }
    }
  }

  /** An order for an amount that no other order has, so that the venue's list tells it apart. */
  async #order(due: number): Promise<Call> {
    const amount = (this.#orders += 1) / 1000;
    const params = { symbol: "AAPL", type: "market", side: "buy", amount: amount.toFixed(3) };
    const request = invoke(this.#ids.alpaca, "createOrder", params);
    const call = await this.#ask("order", due, { ...request, headers: { "idempotency-key": randomUUID() } });
    const isUnknown = call.code === "outcome_unknown";
    return { ...call, unknownUnsent: isUnknown && !this.#isAtVenue(amount) };
  }

  #isAtVenue(amount: number): boolean {
    const { venue, account, environment } = this.#keys.alpaca;
    const { orders } = this.#site.simulator.control.account(venue, account, environment);
    return orders.some(({ quantity }) => Number(quantity) === amount);
  }

  async #ask(kind: Kind, due: number, request: Omit<Request, "token">): Promise<Call> {
    const answer = await ask(this.#site.service.url, { ...request, token: this.#tenant.token });
    const { status, body, ended } = answer;
    const outcome = textIn(body, "outcome", "done");
    const code = textIn(body, "code", outcome === "done" ? "" : outcome);
    return { kind, ms: ended - due, status, code, unknownUnsent: false };
  }
}

/** Opens the victim's tenant, with keys at three venues, through the service. */
export async function openVictim(site: Site): Promise<Victim> {
  const tenant = await openTenant(site, "victim", "none");
  const issue = (venue: VenueId, environment: "live" | "paper"): IssuedKey =>
    site.simulator.control.addKey(venue, { environment });
  const keys = {
    alpaca: issue("alpaca", "paper"),
    kraken: issue("kraken", "live"),
    mexc: issue("mexc", "live"),
  };
  const keep = (key: IssuedKey): Promise<string> => register(site.service.url, tenant, key);
  const ids = {
    alpaca: await keep(keys.alpaca),
    kraken: await keep(keys.kraken),
    mexc: await keep(keys.mexc),
  };
  return new Victim(site, tenant, keys, ids);
}

function post(path: string, body?: object): Omit<Request, "token"> {
  return { method: "POST", path, ...(body === undefined ? {} : { body }) };
}

function invoke(id: string, operation: string, params?: object): Omit<Request, "token"> {
  return post(`/credentials/${id}/invoke`, { operation, ...(params === undefined ? {} : { params }) });
}
