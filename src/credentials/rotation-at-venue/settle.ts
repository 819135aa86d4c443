import { sql } from "kysely";
import { changeUnlessDone } from "../../audit/change.ts";
import type { AuditEvent } from "../../audit/events.ts";
import { type TenantTx, serviceScope, withTenant } from "../../db/tenant.ts";
import { markerOf } from "../../venues/venue-keys.ts";
import type { Custody } from "../custody.ts";
import { type Failure, endRun, moveRun, rotatorOf, type Next, type Run, countFailure } from "./schedule.ts";

const minuteMs = 60_000;
const longestPauseMs = 60 * minuteMs;
/** After so many attempts, some five hours, the failure is recorded. */
const mostAttempts = 11;
/** After this time the record is searched again for callers who may still need the old key. */
const waitMs = 15 * minuteMs;

/** Reasons that are no failure: a person rolled the rotation back, or rotated by hand. */
const wanted: ReadonlySet<string> = new Set(["rolled_back", "superseded"]);

/**
 * Moves a run to where its step has led. `settlesAfterMs`: how long a request may still take effect at the
 * venue.
 */
export async function settleRun(
  custody: Pick<Custody, "db">,
  run: Run,
  next: Next,
  settlesAfterMs: number,
): Promise<void> {
  switch (next.to) {
    case "moved":
      return;
    case "again":
      return move(custody, run, (tx) => moveRun(tx, run, { dueInMs: next.afterMs }));
    case "later":
      return putOff(custody, run, next, settlesAfterMs);
    case "wait":
      return wait(custody, run);
    case "withdraw": {
      const { reason } = next;
      const to = { stage: "withdrawing", reason, attempts: 0, dueInMs: settlesAfterMs } as const;
      return move(custody, run, (tx) => moveRun(tx, run, to));
    }
    case "given-up":
      return giveUp(custody, run, next);
  }
}

async function move(
  { db }: Pick<Custody, "db">,
  run: Run,
  work: (tx: TenantTx) => Promise<unknown>,
): Promise<void> {
  await withTenant(db, serviceScope(run.tenant_id), work);
}

/** Again after half a minute, then twice as long each time, up to an hour. */
async function putOff(
  custody: Pick<Custody, "db">,
  run: Run,
  failure: Failure,
  settlesAfterMs: number,
): Promise<void> {
  const attempts = run.attempts + 1;
  const dueInMs = Math.max(settlesAfterMs, Math.min(longestPauseMs, (minuteMs / 2) * 2 ** run.attempts));
  if (attempts !== mostAttempts) {
    return move(custody, run, (tx) => putOffBy(tx, run, { attempts, dueInMs }));
  }
  // A person should look. A key that cannot be made is given up, then one that cannot be found; only the old
  // key is tried for ever.
  await recordFailure(custody, run, failure, (tx) => {
    const { reason } = failure;
    if (run.stage === "creating")
      return moveRun(tx, run, { stage: "withdrawing", reason, attempts: 0, dueInMs });
    return run.stage === "withdrawing" ? endRun(tx, run) : putOffBy(tx, run, { attempts, dueInMs });
  });
}

/** Until the old key is deleted, uses can fall back to it. */
async function putOffBy(
  tx: TenantTx,
  run: Run,
  to: Readonly<{ attempts: number; dueInMs: number }>,
): Promise<boolean> {
  const isMoved = await moveRun(tx, run, to);
  if (isMoved && run.rotation_id !== null) await prolong(tx, run.rotation_id, to.dueInMs);
  return isMoved;
}

async function prolong(tx: TenantTx, rotationId: string, byMs: number): Promise<void> {
  await tx
    .updateTable("rotations")
    .set({ overlap_until: sql<Date>`now() + ${byMs} * interval '1 millisecond'` })
    .where("id", "=", rotationId)
    .where("state", "=", "overlap")
    .execute();
}

/** The first time is recorded. */
async function wait(custody: Pick<Custody, "db">, run: Run): Promise<void> {
  const { credential_id, rotation_id } = run;
  const work = (tx: TenantTx): Promise<boolean> => putOffBy(tx, run, { attempts: 1, dueInMs: waitMs });
  if (run.attempts > 0 || rotation_id === null) return move(custody, run, work);
  const detail = { credential_id, rotation_id };
  await recordMove(custody, run, work, { event: "credential.rotation_waiting", detail });
}

async function giveUp(custody: Pick<Custody, "db">, run: Run, failure: Failure): Promise<void> {
  const end = (tx: TenantTx): Promise<boolean> => endRun(tx, run);
  if (!wanted.has(failure.reason)) return recordFailure(custody, run, failure, end);
  const detail = { credential_id: run.credential_id, note: markerOf(run.id), reason: failure.reason };
  await recordMove(custody, run, end, { event: "credential.key_withdrawn", detail });
}

async function recordFailure(
  custody: Pick<Custody, "db">,
  run: Run,
  failure: Failure,
  work: (tx: TenantTx) => Promise<boolean>,
): Promise<void> {
  const { id, credential_id, stage } = run;
  const counted = async (tx: TenantTx): Promise<boolean> => {
    const isMoved = await work(tx);
    if (isMoved) await countFailure(tx, credential_id, failure);
    return isMoved;
  };
  const detail = { credential_id, stage, reason: failure.reason, note: markerOf(id) };
  await recordMove(custody, run, counted, { event: "credential.rotation_failed", detail });
}

/** Records the event if `work` has moved the run. */
async function recordMove(
  { db }: Pick<Custody, "db">,
  run: Run,
  work: (tx: TenantTx) => Promise<boolean>,
  event: AuditEvent,
): Promise<void> {
  await changeUnlessDone(db, rotatorOf(run.tenant_id), async (tx) =>
    (await work(tx)) ? { value: undefined, events: [event] } : null,
  );
}
