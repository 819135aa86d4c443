import { sql } from "kysely";
import { assertScope, type Principal } from "../access/principal.ts";
import type { AuditEvent } from "../audit/events.ts";
import type { TenantTx } from "../db/tenant.ts";
import { changeAccount } from "../tenants/accounts/account.ts";
import type { Custody } from "./custody.ts";
import { destroyNow } from "./destroy.ts";
import { end } from "./revoke.ts";

type Needs = Pick<Custody, "db" | "stores">;

/** Deletes an account: everything below it is revoked in the same moment, and destroyed in its stores after. */
export async function deleteAccount(custody: Needs, principal: Principal, id: string): Promise<void> {
  assertScope(principal, "accounts:write");
  const intents = await changeAccount(custody.db, principal, { id, action: "delete" }, async (tx) => {
    const ended = await endAll(tx, id);
    await tx
      .updateTable("accounts")
      .set({ deleted_at: sql`now()`, active: false })
      .where("id", "=", id)
      .execute();
    const deleted: AuditEvent = {
      event: "account.deleted",
      detail: { account_id: id, credentials: ended.events.length },
    };
    return { value: ended.intents, events: [deleted, ...ended.events] };
  });
  await destroyNow(custody, principal.tenantId, intents);
}

/** In the caller's transaction: the end of every credential, of one account or of all. */
export async function endAll(
  tx: TenantTx,
  accountId: string | null,
): Promise<Readonly<{ intents: readonly string[]; events: readonly AuditEvent[] }>> {
  const rows = await tx
    .selectFrom("credentials")
    .selectAll()
    .select(sql<Date>`now()`.as("now"))
    .where("deleted_at", "is", null)
    .$if(accountId !== null, (query) => query.where("account_id", "=", accountId ?? ""))
    .orderBy("id")
    .forUpdate()
    .execute();
  const intents: string[] = [];
  const events: AuditEvent[] = [];
  for (const row of rows) {
    const ended = await end(tx, row, row.now);
    intents.push(...ended.intents);
    if (row.status !== "revoked")
      events.push({ event: "credential.revoked", detail: { credential_id: row.id } });
  }
  return { intents, events };
}
