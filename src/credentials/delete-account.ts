import { sql } from "kysely";
import { assertScope, type Principal } from "../access/principal.ts";
import { type Answered, type Nothing, nothing } from "../audit/change.ts";
import type { TenantTx } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import { endPortion } from "./end-portion.ts";
import { changeAccount } from "../tenants/account.ts";

type Needs = Pick<Custody, "db" | "stores">;

/** So many are ended before the request is answered; a job ends the others. */
const endedAtOnce = 20;

/**
 * Deletes an account. One short transaction marks it and everything below it, and from then on nothing of it can be used or seen.
 * Then its credentials are revoked, recorded and destroyed in portions, so that no transaction holds the record for long.
 */
export async function deleteAccount(
  custody: Needs,
  principal: Principal,
  id: string,
): Promise<Answered<Nothing>> {
  assertScope(principal, "accounts:write");
  // It revokes.
  assertScope(principal, "credentials:write");
  return changeAccount(custody.db, principal, { id, action: "delete" }, async (tx) => {
    const credentials = await markDeleted(tx, id);
    await tx
      .updateTable("accounts")
      .set({ deleted_at: sql`now()`, active: false })
      .where("id", "=", id)
      .execute();
    return {
      value: nothing,
      events: [{ event: "account.deleted", detail: { account_id: id, credentials } }],
      // What fails from here on, the job does.
      after: async () => {
        await endPortion(custody, principal, { accountId: id, most: endedAtOnce }).catch(() => undefined);
      },
    };
  });
}

/** Answers how many credentials there were that are not revoked yet. */
async function markDeleted(tx: TenantTx, accountId: string): Promise<number> {
  const marked = await tx
    .updateTable("credentials")
    .set({ deleted_at: sql`now()` })
    .where("account_id", "=", accountId)
    .where("deleted_at", "is", null)
    .returning("status")
    .execute();
  // What was revoked before, and is gone from its store, has nothing left that its row must wait for.
  await sql`delete from credentials c where c.account_id = ${accountId} and c.status = 'revoked'
    and not exists (select from intents i where i.credential_id = c.id)`.execute(tx);
  return marked.filter(({ status }) => status !== "revoked").length;
}
