import { randomUUID } from "node:crypto";
import { answerOf, at, type Client, ifMatch } from "@keyhold/client";
import type { IssuedKey } from "../../simulator/control.ts";
import { localIssuerName } from "../../src/access/local-issuer.ts";
import { connect } from "../ha/client.ts";
import type { Site } from "./site.ts";

/** A tenant of the service under test, with one account, as its owner's client reaches it. */
export type Tenant = Readonly<{ id: string; keyhold: Client; accountId: string }>;

/** Limits far above what a proof sends. */
const unlimited = { requests_per_minute: 1e6, reveals_per_minute: 1e6, invokes_per_minute: 1e6 };

/** Opens a tenant through the service; `limited` keeps the limits that every tenant has from the start. */
export async function openTenant(
  { service, mint }: Site,
  name: string,
  limits: "usual" | "none",
): Promise<Tenant> {
  const operator = connect(service.url, await mint("operator"));
  const subject = `${name}-${randomUUID()}`;
  const owner = { issuer: localIssuerName, subject };
  const { tenant } = await answerOf(operator.POST("/api/v1/tenants", { body: { name, owner } }));
  const { id } = tenant;
  if (limits === "none") await setLimits({ service, mint }, id, "none");
  const keyhold = connect(service.url, await mint(subject, id));
  return { id, keyhold, accountId: await openAccount(keyhold, "Main") };
}

/** Lifts the limits of a tenant, or sets them to what every tenant has from the start. */
export async function setLimits(
  { service, mint }: Pick<Site, "service" | "mint">,
  id: string,
  limits: "usual" | "none",
): Promise<void> {
  const usual = { requests_per_minute: 100, reveals_per_minute: 60, invokes_per_minute: 600 };
  const body = { limits: limits === "none" ? unlimited : usual };
  const operator = connect(service.url, await mint("operator"));
  const { revision } = await answerOf(operator.GET("/api/v1/tenants/{id}", at(id)));
  await answerOf(operator.PATCH("/api/v1/tenants/{id}", { ...at(id, revision), body }));
}

/** Lets a tenant keep credentials that no venue has seen. */
export async function allowDeferred({ keyhold }: Tenant): Promise<void> {
  const { revision } = await answerOf(keyhold.GET("/api/v1/tenant"));
  const body = { policy: { allow_deferred: true } };
  await answerOf(keyhold.PATCH("/api/v1/tenant", { params: { header: ifMatch(revision) }, body }));
}

export async function openAccount(keyhold: Client, name: string): Promise<string> {
  return (await answerOf(keyhold.POST("/api/v1/accounts", { body: { name } }))).id;
}

/** Registers a key that may be read with, traded with and revealed; answers the credential's id. */
export async function register(
  { keyhold, accountId }: Tenant,
  key: IssuedKey,
  label = "default",
): Promise<string> {
  const { venue, environment, apiKey, apiSecret, passphrase } = key;
  const secret = {
    api_key: apiKey,
    api_secret: apiSecret,
    ...(passphrase === undefined ? {} : { passphrase }),
  };
  const policy = { allow: ["read" as const, "trade" as const], reveal: true };
  const body = { account_id: accountId, venue, environment, label, secret, policy };
  return (await answerOf(keyhold.POST("/api/v1/credentials", { body }))).id;
}
