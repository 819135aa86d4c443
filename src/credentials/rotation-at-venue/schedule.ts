import { type Selectable, sql } from "kysely";
import { assertScope, type Principal, scopeOf, type System, system } from "../../access/principal.ts";
import { type Answered, type Nothing, nothing } from "../../audit/change.ts";
import type { Database } from "../../db/schema.ts";
import { readTenant, type TenantTx, serviceScope } from "../../db/tenant.ts";
import { KeyholdError } from "../../errors.ts";
import { markerOf, type KeyFailure, type KeyRevocation } from "../../venues/venue-keys.ts";
import type { CredentialRow } from "../credential.ts";
import type { Custody } from "../custody.ts";
import { changeCredential, readRow } from "../rows.ts";

type NewSchedule = Readonly<{
  /** A key of the main account; `null` where a person rotates and gets reminders. */
  parentId: string | null;
  everyDays: number;
  /** The first time; after `everyDays` when left out. */
  nextAt?: Date;
}>;

/**
 * Schedules that Keyhold replaces the secret of a credential every so many days, or reminds its owner to.
 * Takes the place of an earlier schedule. The caller must be allowed to change the parent credential as well.
 *
 * Throws `illegal_state` for a revoked credential, `unsupported_by_venue`, and `malformed` for a parent that
 * cannot be one.
 */
export async function schedule(
  custody: Pick<Custody, "db" | "venueKeys">,
  principal: Principal,
  id: string,
  wanted: NewSchedule,
): Promise<Answered<Schedule>> {
  assertScope(principal, "credentials:write");
  const { parentId, everyDays: every_days } = wanted;
  const parent = parentId === null ? null : await readRow(custody, principal, parentId, "schedule-rotation");
  return changeCredential(custody.db, principal, { id, action: "schedule-rotation" }, async (tx, row) => {
    if (row.status === "revoked") {
      throw new KeyholdError("illegal_state", "A revoked credential is not rotated any more.");
    }
    if (parent !== null) assertParent(custody, row, parent);
    const written = await put(tx, row, wanted);
    const detail = { credential_id: id, parent_id: parentId, every_days };
    return {
      value: toSchedule(written, undefined),
      events: [{ event: "credential.rotation_scheduled", detail }],
    };
  });
}

async function put(
  tx: TenantTx,
  row: CredentialRow,
  { parentId, everyDays, nextAt }: NewSchedule,
): Promise<ScheduleRow> {
  const schedule = {
    parent_id: parentId,
    every_days: everyDays,
    next_at: nextAt ?? sql<Date>`now() + ${everyDays} * interval '1 day'`,
  };
  return tx
    .insertInto("rotation_schedules")
    .values({ tenant_id: row.tenant_id, credential_id: row.id, ...schedule })
    .onConflict((conflict) => conflict.column("credential_id").doUpdateSet(schedule))
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Whether the venue agrees that it is the parent, and has given it the right, shows at the first rotation. */
function assertParent(
  { venueKeys }: Pick<Custody, "venueKeys">,
  row: CredentialRow,
  parent: CredentialRow,
): void {
  const environments = venueKeys(row.venue)?.description.environments ?? [];
  if (!environments.includes(row.environment)) throw unsupported();
  if (parent.id === row.id) {
    throw new KeyholdError(
      "malformed",
      "A key does not make its own successor: name a key of the main account.",
    );
  }
  if (parent.venue !== row.venue || parent.environment !== row.environment) {
    throw new KeyholdError("malformed", "The parent key must be one of the same venue and environment.");
  }
}

/** The error where a venue's API makes no keys. */
export function unsupported(): KeyholdError {
  return new KeyholdError(
    "unsupported_by_venue",
    "No API of this venue makes keys. Schedule without a parent key, and its owner is reminded to rotate by hand.",
  );
}

/** A schedule as it leaves the service. */
type Schedule = Readonly<{
  credential_id: string;
  parent_credential_id: string | null;
  every_days: number;
  next_at: string;
  /** Failures since the last success, and the last one's cause. */
  failures: number;
  last_failure: Readonly<{ reason: string; message: string; at: string }> | null;
  /** The rotation under way at the venue. The new key has this `note` there. */
  under_way: Readonly<{ stage: Run["stage"]; note: string; started_at: string; attempts: number }> | null;
}>;

/** When and how a credential is rotated. Throws `not_found` where nothing is scheduled. */
export async function showSchedule(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
): Promise<Schedule> {
  assertScope(principal, "credentials:read");
  await readRow(custody, principal, id, "show-rotation-schedule");
  const { row, run } = await readTenant(custody.db, scopeOf(principal), async (tx) => ({
    row: await findSchedule(tx, id),
    run: await readRun(tx, id),
  }));
  if (row === undefined) throw notScheduled();
  return toSchedule(row, run);
}

function notScheduled(): KeyholdError {
  return new KeyholdError("not_found", "No rotation of this credential is scheduled.");
}

function toSchedule(row: ScheduleRow, run: Run | undefined): Schedule {
  const { last_failure: reason, last_failure_message: message, last_failed_at: at } = row;
  return {
    credential_id: row.credential_id,
    parent_credential_id: row.parent_id,
    every_days: row.every_days,
    next_at: row.next_at.toISOString(),
    failures: row.failures,
    last_failure:
      reason === null || at === null ? null : { reason, message: message ?? "", at: at.toISOString() },
    under_way: run === undefined ? null : underWay(run),
  };
}

function underWay({ id, stage, started_at, attempts }: Run): Schedule["under_way"] {
  return { stage, note: markerOf(id), started_at: started_at.toISOString(), attempts };
}

/**
 * Ends a schedule. A rotation that is under way at the venue goes on to its end. Throws `not_found` where
 * nothing is scheduled.
 */
export async function unschedule(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Nothing>> {
  assertScope(principal, "credentials:write");
  return changeCredential(custody.db, principal, { id, action: "unschedule-rotation" }, async (tx) => {
    const { numDeletedRows } = await tx
      .deleteFrom("rotation_schedules")
      .where("credential_id", "=", id)
      .executeTakeFirst();
    if (numDeletedRows === 0n) throw notScheduled();
    return {
      value: nothing,
      events: [{ event: "credential.rotation_unscheduled", detail: { credential_id: id } }],
    };
  });
}

export type ScheduleRow = Readonly<Selectable<Database["rotation_schedules"]>>;

export async function findSchedule(tx: TenantTx, credentialId: string): Promise<ScheduleRow | undefined> {
  return tx
    .selectFrom("rotation_schedules")
    .selectAll()
    .where("credential_id", "=", credentialId)
    .executeTakeFirst();
}

/** The next time counts from a rotation, however it came about. */
export async function countFromNow(tx: TenantTx, credentialId: string): Promise<void> {
  await tx
    .updateTable("rotation_schedules")
    .set({ next_at: sql<Date>`now() + every_days * interval '1 day'` })
    .where("credential_id", "=", credentialId)
    .execute();
}

export async function postpone(tx: TenantTx, credentialId: string, days: number): Promise<void> {
  await tx
    .updateTable("rotation_schedules")
    .set({ next_at: sql<Date>`now() + ${days} * interval '1 day'` })
    .where("credential_id", "=", credentialId)
    .execute();
}

export async function clearFailures(tx: TenantTx, credentialId: string): Promise<void> {
  await tx
    .updateTable("rotation_schedules")
    .set({ failures: 0, last_failure: null, last_failure_message: null, last_failed_at: null })
    .where("credential_id", "=", credentialId)
    .execute();
}

/** A failed rotation is tried again a day later. */
export async function countFailure(
  tx: TenantTx,
  credentialId: string,
  { reason, message }: Readonly<{ reason: string; message: string }>,
): Promise<void> {
  await tx
    .updateTable("rotation_schedules")
    .set({
      failures: sql`failures + 1`,
      last_failure: reason,
      last_failure_message: message,
      last_failed_at: sql`now()`,
      next_at: sql<Date>`now() + interval '1 day'`,
    })
    .where("credential_id", "=", credentialId)
    .execute();
}

/** One rotation by a key that Keyhold makes at the venue, as far as it has come. */
export type Run = Readonly<Selectable<Database["venue_rotations"]>>;

export async function findRun(
  { db }: Pick<Custody, "db">,
  tenantId: string,
  credentialId: string,
): Promise<Run | undefined> {
  return readTenant(db, serviceScope(tenantId), (tx) => readRun(tx, credentialId));
}

/** The same, inside a transaction. */
export async function readRun(tx: TenantTx, credentialId: string): Promise<Run | undefined> {
  return tx
    .selectFrom("venue_rotations")
    .selectAll()
    .where("credential_id", "=", credentialId)
    .executeTakeFirst();
}

/** The actor of the rotations that Keyhold makes at the venue. */
export function rotatorOf(tenantId: string): System {
  return system(tenantId, "rotate-at-venue");
}

/** Moves a run if it is still where it was seen. Returns whether it was. */
export async function moveRun(
  tx: TenantTx,
  seen: Run,
  {
    dueInMs,
    ...changes
  }: Partial<Pick<Run, "stage" | "rotation_id" | "reason" | "attempts">> & Readonly<{ dueInMs: number }>,
): Promise<boolean> {
  const { numUpdatedRows } = await tx
    .updateTable("venue_rotations")
    .set({ ...changes, due_at: sql<Date>`now() + ${dueInMs} * interval '1 millisecond'` })
    .where("id", "=", seen.id)
    .where("stage", "=", seen.stage)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

/** Ends a run if it is still where it was seen. Returns whether it was. */
export async function endRun(tx: TenantTx, seen: Run): Promise<boolean> {
  const { numDeletedRows } = await tx
    .deleteFrom("venue_rotations")
    .where("id", "=", seen.id)
    .where("stage", "=", seen.stage)
    .executeTakeFirst();
  return numDeletedRows === 1n;
}

/** After a roll-back the key that was put in force is deleted at the venue, too. */
export async function withdrawAfterRollBack(tx: TenantTx, rotationId: string): Promise<void> {
  await tx
    .updateTable("venue_rotations")
    .set({ stage: "withdrawing", rotation_id: null, reason: "rolled_back", attempts: 0, due_at: sql`now()` })
    .where("rotation_id", "=", rotationId)
    .execute();
}

/** Why a step has not led on. */
export type Failure = Readonly<{ reason: string; message: string }>;

/** What a step at the venue leads to. */
export type Next =
  /** The venue, or a store, gave no clear answer: the step is repeated, each time after a longer pause. */
  | (Failure & Readonly<{ to: "later" }>)
  /** The step is repeated after this time; nothing went wrong. */
  | Readonly<{ to: "again"; afterMs: number }>
  /** If a key was made, it must go. */
  | (Failure & Readonly<{ to: "withdraw" }>)
  /** There is no new key at the venue (any more), and the old one is in force. */
  | (Failure & Readonly<{ to: "given-up" }>)
  /** The overlap is over, but a caller may still need the old key. */
  | Readonly<{ to: "wait" }>
  /** The step has moved the run itself, or another process has. */
  | Readonly<{ to: "moved" }>;

export const moved: Next = { to: "moved" };

/** A venue may grant later what it refuses now, for example when the parent key has been given its right. */
export function laterAfter(failure: KeyFailure): Next {
  const reason = failure.outcome === "refused" ? failure.reason : failure.outcome;
  return { to: "later", reason, message: failure.message };
}

/** Whether a deletion left the key there, or may have. A key that was gone before is no failure. */
export function isFailure(revoked: KeyRevocation): revoked is KeyFailure {
  return revoked.outcome !== "revoked" && revoked.outcome !== "absent";
}
