import { assertScope, type Principal, scopeOf } from "../../access/principal.ts";
import { readTenant } from "../../db/tenant.ts";
import { KeyholdError } from "../../errors.ts";
import type { Custody } from "../custody.ts";
import { readRow } from "../show.ts";
import { readRun, type Run } from "./run.ts";
import { findSchedule, type ScheduleRow } from "./schedule-row.ts";
import { markerOf } from "../../venues/venue-keys.ts";

/** A schedule as it leaves the service. */
export type Schedule = Readonly<{
  credential_id: string;
  parent_credential_id: string | null;
  every_days: number;
  next_at: string;
  /** Failures since the last success, and the last one's cause. */
  failures: number;
  last_failure: Readonly<{ reason: string; message: string; at: string }> | null;
  /** What is being done at the venue at present. `note`: by which the new key is found there. */
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

export function notScheduled(): KeyholdError {
  return new KeyholdError("not_found", "No rotation of this credential is scheduled.");
}

export function toSchedule(row: ScheduleRow, run: Run | undefined): Schedule {
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
