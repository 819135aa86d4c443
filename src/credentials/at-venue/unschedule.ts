import { assertScope, type Principal } from "../../access/principal.ts";
import { type Answered, type Nothing, nothing } from "../../audit/change.ts";
import { changeRow } from "../change-row.ts";
import type { Custody } from "../custody.ts";
import { notScheduled } from "./show-schedule.ts";

/** Rotates no more by itself. What is under way at the venue is brought to its end. Throws `not_found` where nothing is scheduled. */
export async function unschedule(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Nothing>> {
  assertScope(principal, "credentials:write");
  return changeRow(custody, principal, { id, action: "unschedule-rotation" }, async (tx) => {
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
