import { sql } from "kysely";
import { setTimeout as sleep } from "node:timers/promises";
import { demand } from "../../ha/client.ts";
import { openAccount, patch } from "../tenant.ts";
import type { Ground, Way } from "../way.ts";

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
    await attacker.takeItsTime(() => keepMany({ site, attacker }));
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
  async attack({ site, attacker }, until) {
    const own = await attacker.ask({ method: "GET", path: "/accounts" });
    const many = itemsOf(own.body).find(({ name }) => name === "Many");
    if (many !== undefined) await attacker.ask({ method: "DELETE", path: `/accounts/${many.id}` });
    // It goes on with what every tenant may do: changes, each with a record of its own.
    while (!until.aborted) {
      await openAccount(site.service.url, attacker.tenant.token, `Another ${attacker.sent}`).catch(() => "");
      await sleep(1_000);
    }
  },
};

/** Keeps credentials that no venue has seen, which a tenant may permit itself. */
async function keepMany({ site: { service }, attacker }: Ground): Promise<void> {
  const { token } = attacker.tenant;
  await patch(service.url, { path: "/tenant", token, body: { policy: { allow_deferred: true } } });
  const account = await openAccount(service.url, token, "Many");
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
      };
      await demand(service.url, { method: "POST", path: "/credentials", token, body });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, keep));
}

function itemsOf(body: Readonly<Record<string, unknown>>): readonly Readonly<{ id: string; name: string }>[] {
  const { items } = body;
  return Array.isArray(items) ? items : [];
}
