import { sql } from "kysely";
import type { Role } from "../../access/permissions.ts";
import { assertScope, type Principal } from "../../access/principal.ts";
import { change } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import type { TenantTx } from "../../db/tenant.ts";
import { KeyholdError } from "../../errors.ts";
import { type TenantMember, toMember } from "./member.ts";
import { assertMayGive } from "./roles.ts";
import { showMember } from "./show.ts";

export type MemberUpdate = Readonly<{ role?: Role; status?: "active" | "suspended" }>;

/**
 * Changes role or status; in force at the next request, and at once for secrets. Throws `forbidden` for a role above the
 * caller's own, and `illegal_state` for the last active owner, without whom nobody could let anybody in.
 */
export async function updateMember(
  db: Db,
  principal: Principal,
  id: string,
  input: MemberUpdate,
): Promise<TenantMember> {
  assertScope(principal, "members:write");
  const { role } = await showMember(db, principal, id);
  assertMayGive(principal, role);
  if (input.role !== undefined) assertMayGive(principal, input.role);
  return change(db, principal, async (tx) => {
    await lockOwners(tx);
    const row = await tx
      .updateTable("members")
      .set({ ...input, revision: sql`revision + 1`, updated_at: sql`now()` })
      .where("id", "=", id)
      .returningAll()
      .executeTakeFirstOrThrow();
    await assertOwnerLeft(tx);
    return {
      value: toMember(row),
      events: [{ event: "member.updated", detail: { member_id: id, changed: Object.keys(input) } }],
    };
  });
}

/** Two owners who suspend each other at once: the second must see what the first has done. */
async function lockOwners(tx: TenantTx): Promise<void> {
  await tx.selectFrom("members").select("id").where("role", "=", "owner").orderBy("id").forUpdate().execute();
}

async function assertOwnerLeft(tx: TenantTx): Promise<void> {
  const owner = await tx
    .selectFrom("members")
    .select("id")
    .where("role", "=", "owner")
    .where("status", "=", "active")
    .executeTakeFirst();
  if (owner === undefined)
    throw new KeyholdError("illegal_state", "A tenant keeps at least one active owner.");
}
