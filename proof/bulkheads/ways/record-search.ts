import { sql } from "kysely";
import { indexRecord } from "../../../src/audit/search.ts";
import { serviceScope, withTenant } from "../../../src/db/tenant.ts";
import { pause } from "../attacker.ts";
import type { Ground, Way } from "../way.ts";

const events = 300_000;
/** Events of one commit, as a busy process groups them, and commits of one transaction. */
const perLink = 20;
const atOnce = 250;
const searchers = 12;

/** Searches for what a long record does not hold. */
export const recordSearch: Way = {
  name: "record-search",
  does: `searches ${events.toLocaleString("en")} events of its own for what is not there`,
  first: "an index answers each filter",
  second: "searches have connections of their own and an end",
  seconds: 45,
  flaw: null,
  prepare: fill,
  /** A search without an index reads whatever its bounds let it read. */
  async disarm({ site: { installation } }) {
    const { rows } = await sql<{ name: string }>`
      select indexrelid::regclass::text as name from pg_index
      where indrelid = to_regclass('audit.indexed_events') and not indisprimary`.execute(
      installation.ownerDb,
    );
    for (const { name } of rows) await sql`drop index ${sql.raw(name)}`.execute(installation.ownerDb);
  },
  async attack({ attacker }, until) {
    const search = { method: "GET", path: "/audit/events?event=tenant.frozen" } as const;
    const searcher = async (): Promise<void> => {
      while (!until.aborted) {
        const { status } = await attacker.ask(search);
        if (status === 429) await pause(1_000, until);
      }
    };
    await Promise.all(Array.from({ length: searchers }, searcher));
  },
};

/** Writes what a bot leaves behind in days, as the service does but without the venue, and indexes it as the clock does in that time. */
async function fill({ site: { installation }, attacker }: Ground): Promise<void> {
  const { id } = attacker.tenant;
  const detail = JSON.stringify({
    actor: { kind: "service" },
    credential_id: id,
    purpose: "invoke",
    operation: "fetchBalance",
    version: 1,
  });
  const repeated = <T>(value: T): T[] => Array.from({ length: perLink }, () => value);
  for (let written = 0; written < events; written += perLink * atOnce) {
    await withTenant(installation.db, serviceScope(id), (tx) =>
      sql`select count(audit.record(${id}::uuid, ${repeated("credential.used")}, ${repeated("ok")},
        ${repeated(detail)}, ${repeated(id)}::uuid[])) from generate_series(1, ${atOnce}::integer)`.execute(
        tx,
      ),
    );
  }
  while ((await indexRecord({ db: installation.db })).done > 0);
  await sql`analyze`.execute(installation.ownerDb);
}
