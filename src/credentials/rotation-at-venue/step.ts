import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { changeUnlessDone } from "../../audit/change.ts";
import type { AuditEvent } from "../../audit/events.ts";
import type { Db } from "../../db/connect.ts";
import { byTenant, type Due, roundMs, sweep, type Tally } from "../../db/sweep.ts";
import { readTenant, serviceScope, type TenantTx } from "../../db/tenant.ts";
import { KeyholdError } from "../../errors.ts";
import { markerOf } from "../../venues/venue-keys.ts";
import type { Custody } from "../custody.ts";
import { destroyNow } from "../destroy.ts";
import { finishedEvent, finishOpen } from "../rotation.ts";
import { findCredential, lockCredential } from "../rows.ts";
import { isUnused } from "../version-uses.ts";
import { lockOpenRotation } from "../versions.ts";
import { createKey, deleteOldKey, keyDeleted, withdrawKey } from "./keys.ts";
import {
  endRun,
  findRun,
  isFailure,
  laterAfter,
  moved,
  type Next,
  readRun,
  rotatorOf,
  type Run,
  clearFailures,
  countFromNow,
  findSchedule,
  postpone,
  type ScheduleRow,
} from "./schedule.ts";
import { settleRun } from "./settle.ts";

const batchSize = 200;

/** Begins what schedules want by now. */
export async function beginDue({ db }: Pick<Custody, "db">): Promise<Tally> {
  const due = sql<Due>`select * from clock.due_schedules(${batchSize})`;
  const limits = { atOnce: 2, bounds: [byTenant(1)], roundMs };
  return sweep(db, due, ({ tenant_id, id }) => begin(db, tenant_id, id), limits);
}

/** Takes the steps at venues that are due, as many as the round has time for. */
export async function stepDue(custody: Custody): Promise<Tally> {
  const due = sql<
    Due & Readonly<{ parent_id: string; venue: string }>
  >`select * from clock.due_venue_rotations(${batchSize})`;
  return sweep(custody.db, due, ({ tenant_id, id }) => step(custody, tenant_id, id), {
    atOnce: 24,
    // A venue or a tenant whose steps take long leaves room for the others.
    bounds: [
      // Two steps for one sub-account would be in each other's way.
      { word: ({ parent_id }) => `parent ${parent_id}`, atOnce: 1 },
      { word: ({ venue }) => `venue ${venue}`, atOnce: 8 },
      byTenant(2),
    ],
    roundMs,
  });
}

/** A rotation that cannot begin today is looked at tomorrow; a reminder is repeated after a week. */
const postponeDays = 1;
const remindAgainDays = 7;

/**
 * Begins what a schedule wants by now: the rotation by a new key, or a reminder. Nothing is asked of the
 * venue yet.
 */
async function begin(db: Db, tenantId: string, credentialId: string): Promise<void> {
  await changeUnlessDone(db, rotatorOf(tenantId), async (tx) => {
    const row = await lockCredential(tx, credentialId);
    const due = row === undefined ? undefined : await findSchedule(tx, row.id);
    if (row === undefined || due === undefined || due.next_at > row.now) return null;
    if (row.status !== "active" || (await isUnderWay(tx, row.id))) {
      await postpone(tx, row.id, postponeDays);
      return null;
    }
    const event = due.parent_id === null ? await remind(tx, due) : await intend(tx, due, due.parent_id);
    return { value: undefined, events: [event] };
  });
}

async function isUnderWay(tx: TenantTx, credentialId: string): Promise<boolean> {
  const run = await readRun(tx, credentialId);
  return run !== undefined || (await lockOpenRotation(tx, credentialId)) !== undefined;
}

async function remind(tx: TenantTx, { credential_id, every_days }: ScheduleRow): Promise<AuditEvent> {
  await postpone(tx, credential_id, remindAgainDays);
  return { event: "credential.rotation_due", detail: { credential_id, every_days } };
}

async function intend(
  tx: TenantTx,
  { tenant_id, credential_id }: ScheduleRow,
  parent_id: string,
): Promise<AuditEvent> {
  const id = randomUUID();
  await tx
    .insertInto("venue_rotations")
    .values({ tenant_id, id, credential_id, parent_id, stage: "creating" })
    .execute();
  await countFromNow(tx, credential_id);
  const detail = { credential_id, parent_id, note: markerOf(id) };
  return { event: "credential.key_requested", detail };
}

const stages: Readonly<Record<Run["stage"], (custody: Custody, run: Run) => Promise<Next>>> = {
  creating: createKey,
  overlap: endOverlap,
  withdrawing: withdrawKey,
};

/** A safe guess where the credential is gone, and with it the name of the venue. */
const unknownSettlesAfterMs = 60_000;

/** Takes the next step of a rotation at the venue. Can be repeated, and be cut off anywhere. */
export async function step(custody: Custody, tenantId: string, credentialId: string): Promise<void> {
  const run = await findRun(custody, tenantId, credentialId);
  if (run === undefined) return;
  const next = await stages[run.stage](custody, run).catch(laterAfterError);
  await settleRun(custody, run, next, await settlesAfterMs(custody, run));
}

/** If Keyhold could not open a secret, the venue was not asked. */
function laterAfterError(error: unknown): Next {
  if (!(error instanceof KeyholdError)) throw error;
  return { to: "later", reason: error.code, message: error.detail };
}

async function settlesAfterMs(custody: Custody, { tenant_id, credential_id }: Run): Promise<number> {
  const row = await readTenant(custody.db, serviceScope(tenant_id), (tx) =>
    findCredential(tx, credential_id),
  );
  const keys = row === undefined ? undefined : custody.venueKeys(row.venue);
  return keys?.description.settlesAfterMs ?? unknownSettlesAfterMs;
}

/** Deletes the old key at the venue once no caller needs it any more, and only then in its store. */
async function endOverlap(custody: Custody, run: Run): Promise<Next> {
  const rotation = await rotationOf(custody, run);
  if (rotation?.state !== "overlap") return overlapGone;
  if (!(await isUnused(custody, rotation))) return { to: "wait" };
  const revoked = await deleteOldKey(custody, run);
  if (isFailure(revoked)) return laterAfter(revoked);
  const ended: string[] = [];
  await changeUnlessDone(custody.db, rotatorOf(run.tenant_id), async (tx) => {
    const row = await lockCredential(tx, run.credential_id);
    const open = row === undefined ? undefined : await lockOpenRotation(tx, row.id);
    // Finished by hand or rolled back meanwhile.
    if (row === undefined || open?.id !== run.rotation_id || !(await endRun(tx, run))) return null;
    await clearFailures(tx, row.id);
    ended.push(...(await finishOpen(tx, row, open)).intents);
    return { value: undefined, events: [keyDeleted(open), finishedEvent(open)] };
  });
  await destroyNow(custody, run.tenant_id, ended);
  return moved;
}

/** The secret was replaced, or the credential revoked: the owner has to delete what is left at the venue. */
const overlapGone: Next = {
  to: "given-up",
  reason: "overlap_ended",
  message: "The old key was destroyed here before it was deleted at the venue: delete it there.",
};

async function rotationOf({ db }: Pick<Custody, "db">, { tenant_id, rotation_id }: Run) {
  return readTenant(db, serviceScope(tenant_id), (tx) =>
    tx
      .selectFrom("rotations")
      .selectAll()
      .select(sql<Date>`now()`.as("now"))
      .where("id", "=", rotation_id)
      .executeTakeFirst(),
  );
}
