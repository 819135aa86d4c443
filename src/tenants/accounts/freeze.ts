import { assertScope, type Principal } from "../../access/principal.ts";
import type { Answered } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { addFreeze, eventsOfLifting, frozenAt, liftFreezes } from "../freezes.ts";
import { type Account, changeAccount, writeAccount } from "./account.ts";

/** Stops every use of the account's credentials, effective at once in every process. */
export async function freezeAccount(
  db: Db,
  principal: Principal,
  id: string,
  reason: string | null,
): Promise<Answered<Account>> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, action: "freeze" }, async (tx, { tenant_id: tenantId }) => {
    const rank = await addFreeze(tx, principal, { tenantId, accountId: id }, reason);
    return {
      value: await writeAccount(tx, id, { frozen_at: frozenAt.added }),
      events: [{ event: "account.frozen", detail: { account_id: id, reason, rank } }],
    };
  });
}

/**
 * Lifts the freezes of the account that the caller may lift; the answer shows those that are left. Throws `forbidden` when the caller
 * may lift none of those that stand.
 */
export async function unfreezeAccount(db: Db, principal: Principal, id: string): Promise<Answered<Account>> {
  assertScope(principal, "accounts:write");
  return changeAccount(db, principal, { id, action: "unfreeze" }, async (tx, { tenant_id: tenantId }) => {
    const lifted = await liftFreezes(tx, principal, { tenantId, accountId: id });
    const about = { account_id: id };
    return {
      value: await writeAccount(tx, id, { frozen_at: frozenAt.lifted }),
      events: eventsOfLifting(lifted, { event: "account.unfrozen", detail: about }, about),
    };
  });
}
