import { randomUUID } from "node:crypto";
import type { IssuedKey } from "../simulator/control.ts";
import { localIssuerName, openLocalIssuer } from "../src/access/local-issuer.ts";
import { roles } from "../src/access/permissions.ts";
import type { Member } from "../src/access/principal.ts";
import type { Installation } from "./installation.ts";

export type Answer = Readonly<{ status: number; text: string; json: Readonly<Record<string, unknown>> }>;

/** Somebody who owns a tenant and trades through a service, by HTTP alone. */
export type Trader = Readonly<{
  member: Member;
  token: string;
  accountId: string;
  get(path: string): Promise<Answer>;
  /** With the revision that `If-Match` names. */
  send(method: "POST" | "PUT", path: string, body?: object, revision?: number): Promise<Answer>;
  /** A credential that may be traded with; answers with its id. */
  register(key: IssuedKey): Promise<string>;
  /** Buys a thousandth of a bitcoin, under a name that makes a repeat safe. */
  order(id: string, name?: string): Promise<Answer>;
}>;

export async function openTrader(
  { world, folder }: Pick<Installation, "world" | "folder">,
  service: Readonly<{ url: string }>,
): Promise<Trader> {
  const { owner: member, subject, id: tenantId } = await world.createTenant(localIssuerName);
  const { scopes } = roles.owner;
  const issuer = await openLocalIssuer(folder);
  const token = await issuer.mintToken({ tenantId, subject, scopes, agent: false, ttlSeconds: 3600 });
  const accountId = await world.createAccount(member);

  const ask = async (method: string, path: string, body?: object, headers: Record<string, string> = {}) => {
    const answer = await fetch(`${service.url}/api/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const json: Record<string, unknown> = Object.assign({}, text === "" ? {} : JSON.parse(text));
    return { status: answer.status, text, json };
  };
  return {
    member,
    token,
    accountId,
    get: (path) => ask("GET", path),
    send: (method, path, body, revision) =>
      ask(method, path, body, revision === undefined ? {} : { "if-match": `"${revision}"` }),
    async register(key) {
      const of = { account_id: accountId, venue: key.venue, environment: key.environment };
      const policy = { allow: ["read", "trade"], reveal: true };
      const { status, text, json } = await ask("POST", "/credentials", {
        ...of,
        policy,
        secret: secretOf(key),
      });
      if (status !== 201) throw new Error(`no credential was registered: ${text}`);
      return String(json["id"]);
    },
    order: (id, name = randomUUID()) => {
      const params = { symbol: "BTC/USDT", type: "market", side: "buy", amount: "0.001" };
      const body = { operation: "createOrder", params };
      return ask("POST", `/credentials/${id}/invoke`, body, { "idempotency-key": name });
    },
  };
}

/** A venue's key as a caller sends it. */
export function secretOf({ apiKey, apiSecret }: IssuedKey): Readonly<Record<string, string>> {
  return { api_key: apiKey, api_secret: apiSecret };
}
