import { sql } from "kysely";
import { changeUnlessDone } from "../../audit/change.ts";
import { readTenant, serviceScope } from "../../db/tenant.ts";
import type { Custody } from "../custody.ts";
import { destroyNow } from "../destroy.ts";
import { finish, finishedEvent } from "../finish-rotation.ts";
import { isUnused } from "../old-version-uses.ts";
import { lockOpenRotation } from "../rotation.ts";
import { lockCredential } from "../rows.ts";
import { deleteOldKey, keyDeleted } from "./delete-old-key.ts";
import { isFailure, laterAfter, moved, type Next } from "./next.ts";
import { rotatorOf, endRun, type Run } from "./run.ts";
import { clearFailures } from "./schedule-row.ts";

/** Deletes the old key at the venue once nobody needs it any more, and only then in its store. */
export async function endOverlap(custody: Custody, run: Run): Promise<Next> {
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
    ended.push(...(await finish(tx, row, open)).intents);
    return { value: undefined, events: [keyDeleted(open), finishedEvent(open)] };
  });
  await destroyNow(custody, run.tenant_id, ended);
  return moved;
}

/** The secret was replaced, or the credential revoked: what is left at the venue is its owner's to delete. */
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
