import { type Selectable, sql } from "kysely";
import type { Database } from "../../db/schema.ts";
import type { TenantTx } from "../../db/tenant.ts";

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

/** What failed is tried again a day later. */
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
