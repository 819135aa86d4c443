import type { Principal } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import { sql } from "kysely";
import type { TenantTx } from "../db/tenant.ts";
import type { Custody } from "./custody.ts";
import { destroyNow } from "./destroy.ts";
import { end } from "./revoke.ts";
import { freezesOf } from "../tenants/freeze.ts";

/** Of one account, or of the whole tenant with `null`. */
type Portion = Readonly<{ accountId: string | null; most: number }>;

/**
 * Revokes and records some credentials that were deleted with what they belonged to, then has their secrets destroyed; what a store
 * does not do now, the reconciler asks for again. Answers how many there were: fewer than `most` when nothing is left.
 */
export async function endPortion(
  custody: Pick<Custody, "db" | "stores">,
  principal: Principal,
  portion: Portion,
): Promise<number> {
  const intents: string[] = [];
  let ended = 0;
  await changeUnlessDone(custody.db, principal, async (tx) => {
    const portionEnded = await endSome(tx, portion);
    const [first, ...others] = portionEnded.events;
    if (first === undefined) return null;
    intents.push(...portionEnded.intents);
    ended = portionEnded.events.length;
    return { value: undefined, events: [first, ...others] };
  });
  await destroyNow(custody, principal.tenantId, intents);
  return ended;
}

async function endSome(
  tx: TenantTx,
  { accountId, most }: Portion,
): Promise<Readonly<{ intents: readonly string[]; events: readonly AuditEvent[] }>> {
  const rows = await tx
    .selectFrom("credentials")
    .selectAll()
    .select(freezesOf("credentials").as("freezes"))
    .select(sql<Date>`now()`.as("now"))
    .where("status", "<>", "revoked")
    .$if(accountId !== null, (query) => query.where("account_id", "=", accountId ?? ""))
    .orderBy("id")
    .limit(most)
    .forUpdate()
    .execute();
  const intents: string[] = [];
  const events: AuditEvent[] = [];
  for (const row of rows) {
    intents.push(...(await end(tx, row, row.deleted_at ?? row.now)).intents);
    events.push({ event: "credential.revoked", detail: { credential_id: row.id } });
  }
  return { intents, events };
}
