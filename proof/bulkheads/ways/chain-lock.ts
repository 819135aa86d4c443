import { setTimeout as sleep } from "node:timers/promises";
import { answerOf, at } from "@keyhold/client";
import { sql } from "kysely";
import { allowDeferred, openAccount, type Tenant } from "../tenant.ts";
import type { Way } from "../way.ts";

const credentials = 3_000;
const webhooks = 20;
const atOnce = 6;
/** Longer than a disclosure waits for its record. */
const heldSeconds = 3;

/** A change so large that its tenant's record is busy for seconds. */
export const chainLock: Way = {
  name: "chain-lock",
  does: `deletes an account with ${credentials.toLocaleString("en")} credentials and ${webhooks} webhooks`,
  first: "large changes are made in portions",
  second: "a group of disclosures does not wait for the record of one tenant",
  seconds: 45,
  flaw: null,
  async prepare({ site, attacker }) {
    await sql`insert into webhook_endpoints (tenant_id, id, url, events)
      select ${attacker.tenant.id}, gen_random_uuid(), 'https://hooks.example.com/' || number,
        '{credential.revoked,account.deleted}' from generate_series(1, ${webhooks}) number`.execute(
      site.installation.ownerDb,
    );
    await attacker.takeItsTime(() => keepMany(attacker.tenant));
  },
  /** Holds the attacker's chain by hand, again and again. */
  async disarm({ site: { installation }, attacker }, until) {
    while (!until.aborted) {
      await installation.ownerDb.transaction().execute(async (tx) => {
        await sql`select from audit.heads where tenant_id = ${attacker.tenant.id} for update`.execute(tx);
        await sql`select pg_sleep(${heldSeconds})`.execute(tx);
      });
      await sleep(100);
    }
  },
  async attack({ attacker }, until) {
    const { body } = await attacker.ask((keyhold) => keyhold.GET("/api/v1/accounts"));
    const many = body?.items.find(({ name }) => name === "Many");
    if (many !== undefined)
      await attacker.ask((keyhold) => keyhold.DELETE("/api/v1/accounts/{id}", at(many.id)));
    // It goes on with what every tenant may do: changes, each with a record of its own.
    while (!until.aborted) {
      await openAccount(attacker.tenant.keyhold, `Another ${attacker.sent}`).catch(() => "");
      await sleep(1_000);
    }
  },
};

/** Keeps credentials that no venue has seen, which a tenant may permit itself. */
async function keepMany(tenant: Tenant): Promise<void> {
  await allowDeferred(tenant);
  const { keyhold } = tenant;
  const account = await openAccount(keyhold, "Many");
  const numbers = Array.from({ length: credentials }, (_, number) => number).values();
  const keep = async (): Promise<void> => {
    for (const number of numbers) {
      const secret = { api_key: `key-${number}`, api_secret: "secret" };
      const body = {
        account_id: account,
        venue: "binance",
        environment: "live",
        label: `label ${number}`,
        validation: "deferred",
        secret,
      } as const;
      await answerOf(keyhold.POST("/api/v1/credentials", { body }));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, keep));
}
