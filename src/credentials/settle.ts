import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import type { AuditEvent } from "../audit/events.ts";
import type { TenantPolicy } from "../db/stored-json.ts";
import type { TenantTx } from "../db/tenant.ts";
import { defaultCheckMinutes, findPolicy } from "../tenants/tenant.ts";
import type { Outcome, Verdict } from "../venues/verdict.ts";
import { assertMove, type CredentialRow, describePermissions } from "./credential.ts";
import { differing, eventsOf } from "./drift.ts";
import { ruleNotes } from "./expiry.ts";
import { asKept, objectionTo } from "./judge.ts";
import { type Circumstances, consequences, type Hold, settle, ends } from "./outcome.ts";
import { type Changes, type LockedRow, rescheduleCredential, updateCredential } from "./rows.ts";

/** `activate` is for a credential that is switched off, and switches it on. */
export type Target = Readonly<{
  id: string;
  need: "validate" | "activate";
  revision: number | null;
  purpose: "validate" | "health";
}>;

/** After a check any worker may claim the next one. A verdict about another version leaves the check due. */
const unclaimed = { check_leased_until: null } as const;

/**
 * Applies the venue's answer to the row: status and health, the facts of the key, the next check, and the
 * history. `verdict` is `null` when it is about another version than the present one. Returns the row, the
 * events, and why a refusal was held back.
 */
export async function settleRow(
  tx: TenantTx,
  before: LockedRow,
  asked: Pick<Target, "need" | "purpose"> & Readonly<{ verdict: Verdict | null; outcome: Outcome }>,
  ambiguousMs: number,
  /** Changes of the caller's own, made in the same transaction if the verdict leads to `active`. */
  alongside?: (tx: TenantTx, row: LockedRow) => Promise<Readonly<{ changes: Changes; event: AuditEvent }>>,
): Promise<Readonly<{ row: CredentialRow; hold: Hold | null; events: readonly AuditEvent[] }>> {
  const { verdict, need, purpose } = asked;
  const policy = await findPolicy(tx, before.tenant_id);
  const hold = verdict === null ? null : await holdOn(tx, before, verdict, ambiguousMs);
  const refusals = { ambiguousMs, hold };
  const changes = verdict === null ? null : consequencesOf(before, verdict, { need, policy, ...refusals });
  const also = (changes?.status ?? before.status) === "active" ? await alongside?.(tx, before) : undefined;
  const row = await write(tx, before, { ...changes, ...also?.changes });
  if (verdict !== null) {
    const { now, check_attempts: attempts } = before;
    const { check_minutes: everyMinutes = defaultCheckMinutes } = policy;
    const known = { now, everyMinutes, verdict, attempts, row, ...refusals };
    const schedule = nextCheck({ ...known, random: Math.random() });
    await rescheduleCredential(tx, row.id, { ...schedule, ...unclaimed, ...(await ruleNotes(tx, row)) });
  } else await rescheduleCredential(tx, row.id, unclaimed);
  if (verdict !== null && begins(before, row)) await askAboutOthers(tx, { ...row, now: before.now });
  await remember(tx, row, purpose, asked.outcome);
  const drift = verdict === null ? [] : eventsOf(before, row, reasonOf(verdict));
  return { row, hold, events: also === undefined ? drift : [...drift, also.event] };
}

/** What a verdict about the current version makes of the row; `null` when it changes nothing. */
function consequencesOf(
  row: LockedRow,
  verdict: Verdict,
  {
    need,
    policy,
    ...refusals
  }: Pick<Circumstances, "ambiguousMs" | "hold"> & Readonly<{ need: Target["need"]; policy: TenantPolicy }>,
): Changes | null {
  const kept = verdict.outcome === "valid" || verdict.outcome === "unproven" ? asKept(verdict) : null;
  const objection = kept === null ? null : objectionTo(kept.permissions, policy);
  const circumstances = {
    now: row.now,
    activates: need === "activate",
    objection: objection?.detail ?? null,
    ...refusals,
  };
  const settled = settle(row, verdict, circumstances);
  if (settled === null) return null;
  if (settled.status !== row.status) assertMove(row.status, settled.status);
  return {
    status: settled.status,
    health: settled.health,
    health_message: settled.healthMessage,
    rejected_at: settled.rejectedAt,
    refused_since: settled.refusedSince,
    refused_as: settled.refusedAs,
    held_at: settled.heldAt,
    venue_expires_at: settled.venueExpiresAt,
    last_validated_at: row.now,
    ...(kept === null ? {} : { permissions: kept.permissions, account_facts: kept.account }),
  };
}

/** Leaves the revision as it is when the venue has said the same again. */
async function write(tx: TenantTx, row: LockedRow, changes: Changes): Promise<CredentialRow> {
  const { last_validated_at, permissions, ...plain } = changes;
  const changed = {
    ...plain,
    ...(permissions === undefined ? {} : { permissions: describePermissions(permissions) }),
  };
  const known = Object.fromEntries(Object.entries(row).filter(([name]) => name in changed));
  if (differing(known, changed).length > 0) return updateCredential(tx, row.id, changes);
  if (last_validated_at === undefined) return row;
  await rescheduleCredential(tx, row.id, { last_validated_at });
  return { ...row, last_validated_at };
}

/** Whether an active credential has just been refused for the first time, and perhaps others with it. */
function begins(before: CredentialRow, after: CredentialRow): boolean {
  const isRefused = after.refused_since !== null && after.refused_as !== "ip_not_allowed";
  return before.refused_since === null && isRefused && after.status === "active";
}

async function remember(
  tx: TenantTx,
  row: CredentialRow,
  purpose: Target["purpose"],
  outcome: Outcome,
): Promise<void> {
  const { tenant_id, id: credential_id, venue, environment, status, health } = row;
  await tx
    .insertInto("health_checks")
    .values({
      tenant_id,
      id: randomUUID(),
      credential_id,
      venue,
      environment,
      purpose,
      outcome,
      status,
      health,
    })
    .execute();
}

function reasonOf(verdict: Verdict): string {
  return verdict.outcome === "rejected" ? verdict.reason : verdict.outcome;
}

const minuteMs = 60_000;
/** A venue that gave no clear answer is asked again after these times, then at the usual interval. */
const patienceMs = [0.5 * minuteMs, 2 * minuteMs];
/** A refusal is confirmed once the deciding minute has passed. */
const confirmMs = minuteMs + 1000;
/** A refusal that was held back is looked at again after this long. */
const heldMs = 15 * minuteMs;
/**
 * The venue is rarely asked about an invalid credential: in case it was refused by mistake, or its key is in
 * force again.
 */
const invalidMs = [24 * 60 * minuteMs, 7 * 24 * 60 * minuteMs] as const;
/** Checks are spread, so that credentials that were registered together are not checked together for ever. */
const spread = 0.1;

export type Checked = Readonly<{
  now: Date;
  /** Of the tenant. */
  everyMinutes: number;
  verdict: Verdict;
  /** How often in a row the venue has given no clear answer before. */
  attempts: number;
  /** After the verdict was settled. */
  row: Pick<CredentialRow, "status" | "rejected_at" | "refused_since">;
  hold: Hold | null;
  /** How long an ambiguous refusal must last to end a credential. */
  ambiguousMs: number;
  /** From 0 to 1. */
  random: number;
}>;

/** A time, longer or shorter by up to a tenth. */
export function spreadOut(time: number, random: number): number {
  return time * (1 + spread * (2 * random - 1));
}

/** When the venue is asked again. */
export function nextCheck(checked: Checked): Readonly<{ next_check_at: Date; check_attempts: number }> {
  const { now, everyMinutes, verdict, attempts, row, random } = checked;
  const after = (ms: number): Date => new Date(now.getTime() + ms);
  if (row.status === "invalid")
    return { next_check_at: after(spreadOut(growing(checked, invalidMs), random)), check_attempts: 0 };
  if (verdict.outcome === "ambiguous")
    return { next_check_at: after(untilAsked(checked)), check_attempts: 0 };
  if (checked.hold !== null) return { next_check_at: after(heldMs), check_attempts: 0 };
  if (row.rejected_at !== null) return { next_check_at: after(confirmMs), check_attempts: 0 };
  const patience = patienceMs[attempts];
  if (consequences[verdict.outcome].later === "unchanged" && patience !== undefined)
    return { next_check_at: after(patience * (1 + spread * random)), check_attempts: attempts + 1 };
  return { next_check_at: after(spreadOut(everyMinutes, random) * minuteMs), check_attempts: 0 };
}

/** A pause as long as the refusal has lasted, so that each is twice the one before. */
function growing({ now, row }: Checked, [least, most]: readonly [number, number]): number {
  const lasted = row.refused_since === null ? 0 : now.getTime() - row.refused_since.getTime();
  return Math.min(Math.max(lasted, least), most);
}

/**
 * The pause after an ambiguous refusal. It ends at the latest when the refusal has lasted long enough to
 * decide.
 */
function untilAsked(checked: Checked): number {
  const { now, everyMinutes, row, ambiguousMs, random } = checked;
  const pause = spreadOut(growing(checked, [minuteMs, everyMinutes * minuteMs]), random);
  const rest = (row.refused_since?.getTime() ?? 0) + ambiguousMs - now.getTime();
  return rest > 0 ? Math.min(pause, rest) : pause;
}

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
async function holdOn(
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
async function askAboutOthers(tx: TenantTx, row: LockedRow): Promise<void> {
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
