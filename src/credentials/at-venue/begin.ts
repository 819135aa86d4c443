import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { system } from "../../access/principal.ts";
import type { AuditEvent } from "../../audit/events.ts";
import { changeUnlessDone } from "../../audit/change.ts";
import type { TenantTx } from "../../db/tenant.ts";
import { markerOf } from "../../venues/keys/marker.ts";
import type { Custody } from "../custody.ts";
import { lockOpenRotation } from "../rotation.ts";
import { lockCredential } from "../rows.ts";
import { findSchedule, type ScheduleRow } from "./schedule-row.ts";

/** What cannot begin today is looked at tomorrow; who was reminded is reminded again after a week. */
const postponeDays = 1;
const remindAgainDays = 7;

/** Begins what a schedule wants by now: the rotation by a new key, or a reminder. Nothing is asked of the venue yet. */
export async function begin(
  { db }: Pick<Custody, "db">,
  tenantId: string,
  credentialId: string,
): Promise<void> {
  await changeUnlessDone(db, system(tenantId, "rotate-at-venue"), async (tx) => {
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
  const run = await tx
    .selectFrom("venue_rotations")
    .select("id")
    .where("credential_id", "=", credentialId)
    .executeTakeFirst();
  return run !== undefined || (await lockOpenRotation(tx, credentialId)) !== undefined;
}

async function postpone(tx: TenantTx, credentialId: string, days: number): Promise<void> {
  await tx
    .updateTable("rotation_schedules")
    .set({ next_at: sql<Date>`now() + ${days} * interval '1 day'` })
    .where("credential_id", "=", credentialId)
    .execute();
}

async function remind(tx: TenantTx, { credential_id, every_days }: ScheduleRow): Promise<AuditEvent> {
  await postpone(tx, credential_id, remindAgainDays);
  return { event: "credential.rotation_due", detail: { credential_id, every_days } };
}

async function intend(
  tx: TenantTx,
  { tenant_id, credential_id, every_days }: ScheduleRow,
  parent_id: string,
): Promise<AuditEvent> {
  const id = randomUUID();
  await tx
    .insertInto("venue_rotations")
    .values({ tenant_id, id, credential_id, parent_id, stage: "creating" })
    .execute();
  await postpone(tx, credential_id, every_days);
  const detail = { credential_id, parent_id, note: markerOf(id) };
  return { event: "credential.key_requested", detail };
}
