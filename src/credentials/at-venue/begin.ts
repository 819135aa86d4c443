import { randomUUID } from "node:crypto";
import type { AuditEvent } from "../../audit/events.ts";
import { changeUnlessDone } from "../../audit/change.ts";
import type { TenantTx } from "../../db/tenant.ts";
import type { Custody } from "../custody.ts";
import { lockOpenRotation } from "../rotation.ts";
import { lockCredential } from "../rows.ts";
import { readRun, rotatorOf } from "./run.ts";
import { countFromNow, findSchedule, postpone, type ScheduleRow } from "./schedule-row.ts";
import { markerOf } from "../../venues/venue-keys.ts";

/** What cannot begin today is looked at tomorrow; who was reminded is reminded again after a week. */
const postponeDays = 1;
const remindAgainDays = 7;

/** Begins what a schedule wants by now: the rotation by a new key, or a reminder. Nothing is asked of the venue yet. */
export async function begin(
  { db }: Pick<Custody, "db">,
  tenantId: string,
  credentialId: string,
): Promise<void> {
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
