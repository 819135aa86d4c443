import { assertScope, type Principal, scopeOf } from "../../access/principal.ts";
import type { Db } from "../../db/connect.ts";
import { readTenant } from "../../db/tenant.ts";
import { type TenantMember, toMember } from "./member.ts";
import { refuseMiss } from "../../audit/refusals.ts";

/** Throws `forbidden` for another member that the caller may not see, `not_found` for any other id. */
export async function showMember(db: Db, principal: Principal, id: string): Promise<TenantMember> {
  assertScope(principal, "members:read");
  const row = await readTenant(db, scopeOf(principal), (tx) =>
    tx.selectFrom("members").selectAll().where("id", "=", id).executeTakeFirst(),
  );
  return row === undefined
    ? refuseMiss(db, principal, { kind: "member", id, action: "show" })
    : toMember(row);
}
