import { sql } from "kysely";
import { type Principal, scopeOf } from "../access/principal.ts";
import type { Db } from "../db/connect.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { type Answered, change, type Changed, note } from "./change.ts";

export type Kind = "credential" | "account" | "member" | "api_key" | "webhook" | "webhook_delivery";

/**
 * What a miss means: another member's thing is 403, another tenant's is 404 and like a missing one. Both stand in the record.
 * Always throws.
 */
export async function refuseMiss(
  db: Db,
  principal: Principal,
  missing: Readonly<{ kind: Kind; id: string; action: string }>,
): Promise<never> {
  const { kind, id } = missing;
  const elsewhere = await readTenant(db, scopeOf(principal), async (tx) => {
    const { rows } = await sql<{
      found: boolean;
    }>`select access.exists_in_tenant(${kind}, ${id}::uuid) as found`.execute(tx);
    return rows[0]?.found === true;
  });
  await note(db, principal, {
    event: "access.refused",
    detail: missing,
    outcome: elsewhere ? "forbidden" : "absent",
  });
  const thing = kind.replace("_", " ");
  throw elsewhere
    ? new KeyholdError("forbidden", `The ${thing} belongs to another member.`, { isRecorded: true })
    : new KeyholdError("not_found", `There is no such ${thing}.`, { isRecorded: true });
}

/** Ends the transaction of a change; what the miss means is found out, and recorded, outside it. */
class Missing extends Error {}

/** A change of one thing. If `work` returns `null` because the thing is missing, nothing is changed and the miss is refused. */
export async function changeFound<T extends object>(
  db: Db,
  principal: Principal,
  missing: Parameters<typeof refuseMiss>[2],
  work: (tx: TenantTx) => Promise<Changed<T> | null>,
): Promise<Answered<T>> {
  try {
    return await change(db, principal, async (tx) => {
      const changed = await work(tx);
      if (changed === null) throw new Missing();
      return changed;
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return refuseMiss(db, principal, missing);
  }
}
