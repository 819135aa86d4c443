import { assertScope, type Principal } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import { unrefused } from "./accepted.ts";
import { withdrawAfterRollBack } from "./at-venue/run.ts";
import { changeRow } from "./change-row.ts";
import type { Custody } from "./custody.ts";
import { destroyNow, intendDestruction } from "./destroy.ts";
import { noneUnderWay } from "./finish-rotation.ts";
import type { Adopted } from "./adopt.ts";
import { describeRotation, endRotation, lockOpenRotation, toRotation } from "./rotation.ts";
import { endVersion, rescheduleCredential, reviveVersion, toCredential, updateCredential } from "./rows.ts";

/**
 * Puts the old secret back in force and destroys the new one, while the overlap lasts; the venue is asked about it within a minute,
 * and a key that Keyhold made there is deleted.
 * Throws `stale`, and `illegal_state` when no rotation is under way.
 */
export async function rollBack(
  custody: Pick<Custody, "db" | "stores">,
  principal: Principal,
  id: string,
  revision: number,
): Promise<Answered<Adopted>> {
  assertScope(principal, "credentials:write");
  const target = { id, revision, action: "rotate" };
  return changeRow(custody, principal, target, async (tx, row) => {
    const open = await lockOpenRotation(tx, id);
    if (open === undefined) throw noneUnderWay();
    const intents = await intendDestruction(tx, row, await endVersion(tx, id, row.version));
    const store = await reviveVersion(tx, id, open.from_version);
    const back = await updateCredential(tx, id, { version: open.from_version, store, ...unrefused });
    await rescheduleCredential(tx, id, { next_check_at: row.now, check_attempts: 0 });
    const rotation = toRotation(await endRotation(tx, open.id, "rolled_back"));
    await withdrawAfterRollBack(tx, open.id);
    return {
      value: { credential: toCredential(back), rotation },
      events: [{ event: "credential.rotation_rolled_back", detail: describeRotation(open) }],
      after: () => destroyNow(custody, principal.tenantId, intents),
    };
  });
}
