import { sql } from "kysely";
import type { Db } from "../../src/db/connect.ts";
import { findOrphans, type Orphan } from "../../testkit/orphans.ts";
import { until } from "../../testkit/until.ts";
import { ageIntents } from "../crash/victims.ts";
import type { OpenTenant } from "../ha/desk.ts";
import { verifyExport } from "./check.ts";
import type { Client } from "./client.ts";
import type { Ledger } from "./ledger.ts";
import type { Site } from "./site.ts";

/** What is found when all is over. */
export type Concluded = Readonly<{
  /** Writes that can be told from one another, and those that were not done once. */
  unique: number;
  notOnce: number;
  /** Reveals in the record, and acknowledged ones that are not there. */
  recorded: number;
  unrecorded: number;
  /** What belonged to nothing when the clients had ended, and what did so still when the reconciler had been by. */
  orphansBefore: number;
  orphans: number;
}>;

/** For a round of the clock, on a machine that may be busy. */
const patienceMs = 180_000;

/** Sends again what is unanswered, as if two minutes had passed; then counts. Nobody may be at work. */
export async function conclude(
  site: Site,
  ledger: Ledger,
  { clients, tenants }: Readonly<{ clients: readonly Client[]; tenants: readonly OpenTenant[] }>,
): Promise<Concluded> {
  const origin = site.supervisor.origin ?? "";
  await site.asOwner(ageClaims);
  await until("an answer to every write", () => repeatAll(clients, origin));
  const orphansBefore = await site.asOwner((owner) => findOrphans(owner, site.secrets));
  return {
    ...(await site.asOwner((owner) => countOnce(owner, ledger))),
    ...(await countReveals(origin, ledger, tenants)),
    orphansBefore: orphansBefore.length,
    orphans: (await site.asOwner((owner) => orphansAtLast(owner, site.secrets))).length,
  };
}

/** A first request that has changed nothing within two minutes counts as lost. */
async function ageClaims(owner: Db): Promise<void> {
  await sql`update idempotency_keys set created_at = created_at - interval '2 minutes' where state = 'running'`.execute(
    owner,
  );
}

async function repeatAll(clients: readonly Client[], origin: string): Promise<true | null> {
  const settled = await Promise.all(clients.map((client) => client.repeatAll(origin)));
  return settled.every(Boolean) ? true : null;
}

type Named = Readonly<{ name: string; times: number }>;

/** Accounts and credentials by their names, of which no two were sent. */
async function countOnce(
  owner: Db,
  { accounts, entries }: Ledger,
): Promise<Pick<Concluded, "unique" | "notOnce">> {
  const { rows } = await sql<Named>`
    select name, count(*)::integer as times from accounts group by name
    union all select label, count(*)::integer from credentials group by label`.execute(owner);
  const times = new Map(rows.map(({ name, times }) => [name, times]));
  const names = [...accounts.map(({ name }) => name), ...entries.map(({ label }) => label)];
  return { unique: names.length, notOnce: names.filter((name) => times.get(name) !== 1).length };
}

async function countReveals(
  origin: string,
  { entries }: Ledger,
  tenants: readonly OpenTenant[],
): Promise<Pick<Concluded, "recorded" | "unrecorded">> {
  const recorded = new Map<string, number>();
  const note = (line: string): void => {
    const id = /"credential_id":"([^"]+)"/.exec(line)?.[1] ?? "";
    if (line.includes('"event":"credential.revealed"')) recorded.set(id, (recorded.get(id) ?? 0) + 1);
  };
  for (const tenant of tenants) await verifyExport(origin, tenant, note);
  const missing = entries.map(({ kept, reveals }) => Math.max(0, reveals - (recorded.get(kept.id) ?? 0)));
  const sum = (numbers: Iterable<number>): number =>
    [...numbers].reduce((total, number) => total + number, 0);
  return { recorded: sum(recorded.values()), unrecorded: sum(missing) };
}

async function orphansAtLast(owner: Db, secrets: string): Promise<readonly Orphan[]> {
  await ageIntents(owner);
  await until(
    "the reconciler",
    async () => ((await findOrphans(owner, secrets)).length === 0 ? true : null),
    patienceMs,
  ).catch(() => undefined);
  return findOrphans(owner, secrets);
}
