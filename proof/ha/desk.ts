import { randomUUID } from "node:crypto";
import { answerOf, at, ifMatch, type NewCredential, type RevealedSecret } from "@keyhold/client";
import type { Control } from "../../simulator/control.ts";
import { fault } from "../../simulator/faults.ts";
import { localIssuerName } from "../../src/access/local-issuer.ts";
import { type Answer, ask, connect, eventOf } from "./client.ts";
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
    const { id, revision, tenant } = kept;
    const keyhold = connect(origin, tenant.token);
    const header = { "Idempotency-Key": key };
    const answer = await ask(() =>
      id === ""
        ? keyhold.POST("/api/v1/credentials", {
            params: { header },
            body: registration(tenant.accountId, key, pair),
          })
        : keyhold.PUT("/api/v1/credentials/{id}/secret", {
            params: { path: { id }, header: { ...header, ...ifMatch(revision) } },
            body: { secret: secretOf(pair) },
          }),
    );
    return eventOf("write", answer, (credential) => {
      kept.acknowledge(number, answer.ended, credential);
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
    const params = { symbol: "BTC/USDT", type: "market", side: "buy", amount: amount.toFixed(5) } as const;
    const answer = await ask(() =>
      connect(origin, kept.tenant.token).POST("/api/v1/credentials/{id}/invoke", {
        params: { path: { id: kept.id }, header: { "Idempotency-Key": key } },
        body: { operation: "createOrder", params },
      }),
    );
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
  const operator = connect(origin, await mint("operator"));
  const tenants: OpenTenant[] = [];
  for (let number = 1; number <= count; number += 1) {
    const subject = `desk-${number}-${randomUUID()}`;
    const owner = { issuer: localIssuerName, subject };
    const body = { name: `Desk ${number}`, owner };
    const { tenant } = await answerOf(operator.POST("/api/v1/tenants", { body }));
    const token = await mint(subject, tenant.id);
    const opening = connect(origin, token).POST("/api/v1/accounts", { body: { name: "Main" } });
    tenants.push({ id: tenant.id, token, accountId: (await answerOf(opening)).id });
  }
  return tenants;
}

/** Nobody can use it from here on, wherever its secret rests. */
export async function freeze(
  origin: string,
  { id, tenant }: Kept,
  verb: "freeze" | "unfreeze" = "freeze",
): Promise<void> {
  await answerOf(connect(origin, tenant.token).POST(`/api/v1/credentials/{id}/${verb}`, at(id)));
}

export function reveal(origin: string, { id, tenant }: Kept): Promise<Answer<RevealedSecret>> {
  const body = { reason: "to trade with it" };
  return ask(() =>
    connect(origin, tenant.token).POST("/api/v1/credentials/{id}/reveal", { ...at(id), body }),
  );
}

/** Of the secret in an answer. */
export function digestIn({ secret: { api_key, api_secret } }: RevealedSecret): string {
  return digestOf({ apiKey: api_key ?? "", apiSecret: api_secret ?? "" });
}

export function registration(accountId: string, label: string, pair: Pair): NewCredential {
  const policy: NewCredential["policy"] = { allow: ["read", "trade"], reveal: true };
  const secret = secretOf(pair);
  return { account_id: accountId, venue: "binance", environment: "live", label, secret, policy };
}

export function secretOf({ apiKey, apiSecret }: Pair): NewCredential["secret"] {
  return { api_key: apiKey, api_secret: apiSecret };
}
