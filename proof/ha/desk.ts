import { randomUUID } from "node:crypto";
import type { Control } from "../../simulator/control.ts";
import { fault } from "../../simulator/faults.ts";
import { localIssuerName } from "../../src/access/local-issuer.ts";
import { type Answer, asRecord, ask, demand, eventOf, textIn } from "./client.ts";
import type { Event } from "./events.ts";
import { digestOf, Kept, type Pair, type Tenant } from "./kept.ts";
import type { Site } from "./site.ts";

const tenantCount = 3;

/** A market order for an amount that no other order of its account has, so that the venue's list tells it apart. */
export type Order = Readonly<{ kept: Kept; amount: number; key: string }>;

/** Those who call Keyhold over HTTP, and make their keys at the venue. */
export class Desk {
  readonly #control: Control;
  readonly #tenants: readonly Tenant[];
  #keptCount = 0;
  readonly #orders = new Map<string, number>();

  constructor(control: Control, tenants: readonly Tenant[]) {
    this.#control = control;
    this.#tenants = tenants;
  }

  /** Somebody is about to register a credential; nothing is sent yet. */
  newKept(): Kept {
    const number = (this.#keptCount += 1);
    const tenant = this.#tenants[number % this.#tenants.length];
    if (tenant === undefined) throw new Error("a desk has tenants");
    return new Kept(tenant, `account of ${tenant.accountId} ${number}`);
  }

  newPair({ account }: Kept): Pair {
    return this.#control.addKey("binance", { environment: "live", account });
  }

  /** Registers a credential that is new, or replaces its secret. The key makes a repeat safe. */
  async write(origin: string, kept: Kept, number: number, pair: Pair, key: string): Promise<Event> {
    const { token, accountId } = kept.tenant;
    const secret = { api_key: pair.apiKey, api_secret: pair.apiSecret };
    const headers = { "idempotency-key": key };
    const answer = await (kept.id === ""
      ? ask(origin, {
          method: "POST",
          path: "/credentials",
          token,
          headers,
          body: registration(accountId, key, secret),
        })
      : ask(origin, {
          method: "PUT",
          path: `/credentials/${kept.id}/secret`,
          token,
          headers: { ...headers, "if-match": `"${kept.revision}"` },
          body: { secret },
        }));
    return eventOf("write", answer, (body) => {
      kept.acknowledge(number, answer.ended, { id: textIn(body, "id"), revision: Number(body["revision"]) });
      return "ok";
    });
  }

  async read(origin: string, kind: "cached" | "uncached" | "either", kept: Kept): Promise<Event> {
    const { floor } = kept;
    return eventOf(kind, await reveal(origin, kept), (body) => kept.judge(digestIn(body), floor));
  }

  newOrder(kept: Kept): Order {
    const number = (this.#orders.get(kept.account) ?? 0) + 1;
    this.#orders.set(kept.account, number);
    // The smallest amounts above what the venue takes at least, in steps of its own.
    return { kept, amount: (100 + number) / 100_000, key: randomUUID() };
  }

  async order(origin: string, { kept, amount, key }: Order): Promise<Event> {
    const params = { symbol: "BTC/USDT", type: "market", side: "buy", amount: amount.toFixed(5) };
    const answer = await ask(origin, {
      method: "POST",
      path: `/credentials/${kept.id}/invoke`,
      token: kept.tenant.token,
      headers: { "idempotency-key": key },
      body: { operation: "createOrder", params },
    });
    return eventOf("order", answer, ({ outcome }) => (outcome === "done" ? "ok" : "unknown"));
  }

  /** Makes the venue take the next order, and lose its answer. */
  loseAnswer(): void {
    this.#control.fail("binance", fault.loseAnswer, { times: 1, method: "POST", path: "/api/v3/order" });
  }

  /** How often the venue has this order. */
  timesAtVenue({ kept, amount }: Order): number {
    const { orders } = this.#control.account("binance", kept.account, "live");
    return orders.filter(({ quantity }) => Number(quantity) === amount).length;
  }
}

export async function openDesk(site: Pick<Site, "mint" | "simulator">, origin: string): Promise<Desk> {
  return new Desk(site.simulator.control, await openTenants(site, origin, tenantCount));
}

export type OpenTenant = Tenant & Readonly<{ id: string }>;

/** Opens tenants by way of this service. */
export async function openTenants(
  { mint }: Pick<Site, "mint">,
  origin: string,
  count: number,
): Promise<readonly OpenTenant[]> {
  const operator = await mint("operator");
  const tenants: OpenTenant[] = [];
  for (let number = 1; number <= count; number += 1) {
    const subject = `desk-${number}-${randomUUID()}`;
    const owner = { issuer: localIssuerName, subject };
    const body = { name: `Desk ${number}`, owner };
    const created = await demand(origin, { method: "POST", path: "/tenants", token: operator, body });
    const id = textIn(asRecord(created["tenant"]), "id");
    const token = await mint(subject, id);
    const account = await demand(origin, {
      method: "POST",
      path: "/accounts",
      token,
      body: { name: "Main" },
    });
    tenants.push({ id, token, accountId: textIn(account, "id") });
  }
  return tenants;
}

/** Nobody can use it from here on, wherever its secret rests. */
export async function freeze(
  origin: string,
  { id, tenant }: Kept,
  verb: "freeze" | "unfreeze" = "freeze",
): Promise<void> {
  await demand(origin, { method: "POST", path: `/credentials/${id}/${verb}`, token: tenant.token, body: {} });
}

export function reveal(origin: string, { id, tenant }: Kept): Promise<Answer> {
  const body = { reason: "to trade with it" };
  return ask(origin, { method: "POST", path: `/credentials/${id}/reveal`, token: tenant.token, body });
}

/** Of the secret in an answer. */
export function digestIn(body: Answer["body"]): string {
  const secret = asRecord(body["secret"]);
  return digestOf({ apiKey: textIn(secret, "api_key"), apiSecret: textIn(secret, "api_secret") });
}

function registration(accountId: string, label: string, secret: object): object {
  const policy = { allow: ["read", "trade"], reveal: true };
  return { account_id: accountId, venue: "binance", environment: "live", label, secret, policy };
}
