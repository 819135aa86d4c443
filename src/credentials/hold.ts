import { sql } from "kysely";
import type { TenantTx } from "../db/tenant.ts";
import type { Verdict } from "../venues/verdict.ts";
import type { CredentialRow } from "./credential.ts";
import { ends, type Hold } from "./outcome.ts";
import { type LockedRow, rescheduleCredential } from "./rows.ts";

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

/**
 * A refusal that has lasted so many times as long as an ambiguous one must ends the credential, whatever else
 * is refused.
 */
const longestTimes = 7;

/**
 * Why this refusal must not end the credential now; `null` when it may, or would not. Venues err, addresses
 * and clocks change, and then many keys are refused at once. The keys of one other tenant alone hold no
 * refusal back.
 */
export async function holdOn(
  tx: TenantTx,
  row: LockedRow,
  verdict: Verdict,
  ambiguousMs: number,
): Promise<Hold | null> {
  if ("clockOff" in verdict) return "clock";
  if (row.status !== "active" || !ends(row, verdict, { now: row.now, ambiguousMs })) return null;
  if (verdict.outcome !== "ambiguous") return (await isHeld(tx, row)) ? "many" : null;
  if (!verdict.causes.includes("address")) return null;
  const since = row.refused_since ?? row.now;
  if (row.now.getTime() - since.getTime() >= longestTimes * ambiguousMs) return null;
  const from = before(since, dayMs);
  const seen = { kinds: ["ambiguous", "ip_not_allowed"], own: [from, row.now], others: from } as const;
  return areMany(await countRefused(tx, row, seen)) ? "address" : null;
}

/** A hold lasts until another key of the tenant is accepted at the venue, and a day at most. */
async function isHeld(tx: TenantTx, row: LockedRow): Promise<boolean> {
  const { now, held_at, refused_since } = row;
  if (held_at !== null) {
    return now.getTime() - held_at.getTime() < dayMs && !(await isAnotherAccepted(tx, row, held_at));
  }
  const since = refused_since ?? now;
  const hourAgo = before(now, hourMs);
  const from = before(since, 10 * minuteMs);
  const own = [from < hourAgo ? hourAgo : from, before(since, -10 * minuteMs)] as const;
  return areMany(await countRefused(tx, row, { kinds: ["rejected", "ambiguous"], own, others: hourAgo }));
}

function before(date: Date, ms: number): Date {
  return new Date(date.getTime() - ms);
}

/**
 * The keys at one venue: the tenant's own, and the others', of which no tenant's refused keys count for more
 * than a fifth.
 */
type Counts = Readonly<{ own_keys: number; own_refused: number; other_keys: number; other_fifths: number }>;

/** Two refusals and more than a fifth of the tenant's keys; or more than a fifth of the others'. */
function areMany({ own_keys, own_refused, other_keys, other_fifths }: Counts): boolean {
  return (own_refused >= 2 && own_refused * 5 > own_keys) || other_fifths > other_keys;
}

/** Counts the credentials that turned from accepted to refused: `own` in that span, `others` since that moment. */
async function countRefused(
  tx: TenantTx,
  { tenant_id, venue, environment }: CredentialRow,
  seen: Readonly<{ kinds: readonly string[]; own: readonly [Date, Date]; others: Date }>,
): Promise<Counts> {
  const { rows } = await sql<Counts>`
    select own_keys::integer, own_refused::integer, other_keys::integer, other_fifths::integer
    from clock.refused_keys(${tenant_id}, ${venue}, ${environment}, ${[...seen.kinds]}, ${seen.own[0]}, ${seen.own[1]}, ${seen.others})`.execute(
    tx,
  );
  return rows[0] ?? { own_keys: 0, own_refused: 0, other_keys: 0, other_fifths: 0 };
}

async function isAnotherAccepted(tx: TenantTx, row: CredentialRow, since: Date): Promise<boolean> {
  const found = await healthyBeside(tx, row)
    .where("last_validated_at", ">", since)
    .limit(1)
    .executeTakeFirst();
  return found !== undefined;
}

/**
 * After the first refusal of one of a tenant's keys at a venue, two others become due at once: if they are
 * refused as well, the cause is not this key.
 */
export async function askAboutOthers(tx: TenantTx, row: LockedRow): Promise<void> {
  const seen = {
    kinds: ["rejected", "ambiguous"],
    own: [before(row.now, hourMs), row.now],
    others: row.now,
  } as const;
  if ((await countRefused(tx, row, seen)).own_refused > 1) return;
  const others = await healthyBeside(tx, row)
    .where("next_check_at", ">", row.now)
    .orderBy("next_check_at")
    .limit(2)
    .forUpdate()
    .skipLocked()
    .execute();
  for (const { id } of others) await rescheduleCredential(tx, id, { next_check_at: row.now });
}

function healthyBeside(tx: TenantTx, { id, tenant_id, venue, environment }: CredentialRow) {
  return tx
    .selectFrom("credentials")
    .select("id")
    .where("tenant_id", "=", tenant_id)
    .where("venue", "=", venue)
    .where("environment", "=", environment)
    .where("status", "=", "active")
    .where("health", "=", "healthy")
    .where("deleted_at", "is", null)
    .where("id", "<>", id);
}
