import { sql } from "kysely";
import { assertScope, type Principal } from "../../access/principal.ts";
import type { Answered } from "../../audit/change.ts";
import type { TenantTx } from "../../db/tenant.ts";
import { KeyholdError } from "../../errors.ts";
import { changeRow } from "../change-row.ts";
import type { CredentialRow } from "../credential.ts";
import type { Custody } from "../custody.ts";
import { readRow } from "../show.ts";
import type { ScheduleRow } from "./schedule-row.ts";
import { type Schedule, toSchedule } from "./show-schedule.ts";
import { unsupported } from "./with-keys.ts";

export type NewSchedule = Readonly<{
  /** A key of the main account; `null` where a person rotates and is reminded. */
  parentId: string | null;
  everyDays: number;
  /** The first time; after `everyDays` when left out. */
  nextAt?: Date;
}>;

/**
 * Has the secret of a credential replaced by Keyhold itself, or its owner reminded to, so often. Takes the place of an earlier
 * schedule. The parent key must be the caller's to change as well.
 *
 * Throws `illegal_state` for a revoked credential, `unsupported_by_venue`, and `malformed` for a parent that cannot be one.
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
  return changeRow(custody, principal, { id, action: "schedule-rotation" }, async (tx, row) => {
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

/** Whether the venue agrees that it is the parent, and gives it the right, is seen at the first rotation. */
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
