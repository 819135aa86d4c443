import { randomUUID } from "node:crypto";
import type { AuditEvent } from "../audit/events.ts";
import type { TenantPolicy } from "../db/stored-json.ts";
import type { TenantTx } from "../db/tenant.ts";
import { defaultCheckMinutes } from "../tenants/tenant.ts";
import type { Outcome, Verdict } from "../venues/verdict.ts";
import { type Circumstances, type Hold, settle } from "./consequences.ts";
import { assertMove, type CredentialRow } from "./credential.ts";
import { differing } from "./differing.ts";
import { eventsOf } from "./drift.ts";
import { askAboutOthers, holdOn } from "./hold.ts";
import { nextCheck } from "./next-check.ts";
import {
  type Changes,
  describePermissions,
  findPolicy,
  type LockedRow,
  rescheduleCredential,
  updateCredential,
} from "./rows.ts";
import { asKept, objectionTo } from "./storable.ts";
import { ruleNotes } from "./venue-rule.ts";

/** Changes of the caller's own, made in the same transaction if the verdict leads to `active`. */
export type Alongside = (
  tx: TenantTx,
  row: LockedRow,
) => Promise<Readonly<{ changes: Changes; event: AuditEvent }>>;

/** `activate` is for what is switched off, and switches it on. */
export type Target = Readonly<{
  id: string;
  need: "validate" | "activate";
  revision: number | null;
  purpose: "validate" | "health";
}>;

export type Asked = Pick<Target, "need" | "purpose"> &
  Readonly<{
    /** `null` when it is about another version than the present one. */
    verdict: Verdict | null;
    outcome: Outcome;
  }>;

export type Settled = Readonly<{
  row: CredentialRow;
  /** Why a refusal was held back; `null` when none was. */
  hold: Hold | null;
  events: readonly AuditEvent[];
}>;

/** What was due was checked, or, with a verdict about another version, is due still: for whichever worker comes next. */
const inNoHand = { check_leased_until: null } as const;

/** What the venue's answer makes of the row: status and health, what it tells of the key, the next check, and the history. */
export async function settleRow(
  tx: TenantTx,
  before: LockedRow,
  asked: Asked,
  ambiguousMs: number,
  alongside?: Alongside,
): Promise<Settled> {
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
    await rescheduleCredential(tx, row.id, { ...schedule, ...inNoHand, ...(await ruleNotes(tx, row)) });
  } else await rescheduleCredential(tx, row.id, inNoHand);
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

/** That the venue was asked once more and said the same leaves the revision as it is. */
async function write(tx: TenantTx, row: LockedRow, changes: Changes): Promise<CredentialRow> {
  const { last_validated_at, permissions, ...plain } = changes;
  const telling = {
    ...plain,
    ...(permissions === undefined ? {} : { permissions: describePermissions(permissions) }),
  };
  const known = Object.fromEntries(Object.entries(row).filter(([name]) => name in telling));
  if (differing(known, telling).length > 0) return updateCredential(tx, row.id, changes);
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
