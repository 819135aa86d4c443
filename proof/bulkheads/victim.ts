import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { at, type Client, type Invocation } from "@keyhold/client";
import type { IssuedKey } from "../../simulator/control.ts";
import type { VenueId } from "../../simulator/venue.ts";
import { ask, type Sent } from "../ha/client.ts";
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

const path = "/api/v1/credentials/{id}";
const toTrade = (id: string) => ({ ...at(id), body: { reason: "to trade" } });

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
        return [await this.#ask(kind, due, (keyhold) => keyhold.POST(`${path}/reveal`, toTrade(alpaca)))];
      case "show":
        return [await this.#ask(kind, due, (keyhold) => keyhold.GET(path, at(alpaca)))];
      case "balance":
        return [await this.#ask(kind, due, invoke(alpaca, { operation: "fetchBalance" }))];
      case "balance, rising nonce":
        return [await this.#ask(kind, due, invoke(kraken, { operation: "fetchBalance" }))];
      case "order":
        return [await this.#order(due)];
      case "freeze and unfreeze": {
        const send = (verb: "freeze" | "unfreeze") => (keyhold: Client) =>
          keyhold.POST(`${path}/${verb}`, at(mexc));
        const frozen = await this.#ask(kind, due, send("freeze"));
        return [frozen, await this.#ask(kind, performance.now(), send("unfreeze"))];
      }
    }
  }

  /** An order for an amount that no other order has, so that the venue's list tells it apart. */
  async #order(due: number): Promise<Call> {
    const amount = (this.#orders += 1) / 1000;
    const params = { symbol: "AAPL", type: "market", side: "buy", amount: amount.toFixed(3) } as const;
    const send = invoke(this.#ids.alpaca, { operation: "createOrder", params }, randomUUID());
    const call = await this.#ask("order", due, send);
    const isUnknown = call.code === "outcome_unknown";
    return { ...call, unknownUnsent: isUnknown && !this.#isAtVenue(amount) };
  }

  #isAtVenue(amount: number): boolean {
    const { venue, account, environment } = this.#keys.alpaca;
    const { orders } = this.#site.simulator.control.account(venue, account, environment);
    return orders.some(({ quantity }) => Number(quantity) === amount);
  }

  async #ask(kind: Kind, due: number, send: (keyhold: Client) => Sent<object>): Promise<Call> {
    const { status, body, problem, ended } = await ask(() => send(this.#tenant.keyhold));
    const isUnknown = body !== null && "outcome" in body && body.outcome === "outcome_unknown";
    const code = problem?.code ?? (isUnknown ? "outcome_unknown" : "");
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
  const keep = (key: IssuedKey): Promise<string> => register(tenant, key);
  const ids = {
    alpaca: await keep(keys.alpaca),
    kraken: await keep(keys.kraken),
    mexc: await keep(keys.mexc),
  };
  return new Victim(site, tenant, keys, ids);
}

function invoke(id: string, body: Invocation, key?: string) {
  const header = key === undefined ? {} : { "Idempotency-Key": key };
  return (keyhold: Client) => keyhold.POST(`${path}/invoke`, { params: { path: { id }, header }, body });
}
