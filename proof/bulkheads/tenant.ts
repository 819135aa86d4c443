import { randomUUID } from "node:crypto";
import type { IssuedKey } from "../../simulator/control.ts";
import { localIssuerName } from "../../src/access/local-issuer.ts";
import { asRecord, demand, type Request, textIn } from "../ha/client.ts";
import type { Site } from "./site.ts";

/** A tenant of the service under test, with one account. */
export type Tenant = Readonly<{ id: string; token: string; accountId: string }>;

/** Limits far above what a proof sends. */
const unlimited = { requests_per_minute: 1e6, reveals_per_minute: 1e6, invokes_per_minute: 1e6 };

/** Opens a tenant through the service; `limited` keeps the limits that every tenant has from the start. */
export async function openTenant(
  { service, mint }: Site,
  name: string,
  limits: "usual" | "none",
): Promise<Tenant> {
  const operator = await mint("operator");
  const subject = `${name}-${randomUUID()}`;
  const owner = { issuer: localIssuerName, subject };
  const created = await demand(service.url, {
    method: "POST",
    path: "/tenants",
    token: operator,
    body: { name, owner },
  });
  const id = textIn(asRecord(created["tenant"]), "id");
  if (limits === "none") await setLimits({ service, mint }, id, "none");
  const token = await mint(subject, id);
  return { id, token, accountId: await openAccount(service.url, token, "Main") };
}

/** Lifts the limits of a tenant, or sets them to what every tenant has from the start. */
export async function setLimits(
  { service, mint }: Pick<Site, "service" | "mint">,
  id: string,
  limits: "usual" | "none",
): Promise<void> {
  const usual = { requests_per_minute: 100, reveals_per_minute: 60, invokes_per_minute: 600 };
  const body = { limits: limits === "none" ? unlimited : usual };
  await patch(service.url, { path: `/tenants/${id}`, token: await mint("operator"), body });
}

/** Changes what is there, as it is at this moment. */
export async function patch(origin: string, { path, token, body }: Omit<Request, "method">): Promise<void> {
  const { revision } = await demand(origin, { method: "GET", path, token });
  const headers = { "if-match": `"${String(revision)}"` };
  await demand(origin, { method: "PATCH", path, token, headers, ...(body === undefined ? {} : { body }) });
}

export async function openAccount(origin: string, token: string, name: string): Promise<string> {
  return textIn(await demand(origin, { method: "POST", path: "/accounts", token, body: { name } }), "id");
}

/** Registers a key that may be read with, traded with and revealed; answers the credential's id. */
export async function register(
  origin: string,
  { token, accountId }: Tenant,
  key: IssuedKey,
  label = "default",
): Promise<string> {
  const { venue, environment, apiKey, apiSecret, passphrase } = key;
  const secret = {
    api_key: apiKey,
    api_secret: apiSecret,
    ...(passphrase === undefined ? {} : { passphrase }),
  };
  const policy = { allow: ["read", "trade"], reveal: true };
  const body = { account_id: accountId, venue, environment, label, secret, policy };
  return textIn(await demand(origin, { method: "POST", path: "/credentials", token, body }), "id");
}
