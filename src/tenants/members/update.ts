import { sql } from "kysely";
import type { Role } from "../../access/permissions.ts";
import { assertScope, type Principal } from "../../access/principal.ts";
import { assertMaySwitchOn, switchedOffBy } from "../../access/ranks.ts";
import { type Answered, change } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { assertSeen } from "../../db/revision.ts";
import type { TenantTx } from "../../db/tenant.ts";
import { KeyholdError } from "../../errors.ts";
import { type MemberRow, type TenantMember, toMember } from "./member.ts";
import { assertMayGive } from "./roles.ts";
import { showMember } from "./show.ts";

export type MemberUpdate = Readonly<{ role?: Role; status?: "active" | "suspended" }>;

/**
 * Changes role or status; in force at the next request, and at once for secrets. Throws `stale`, `forbidden` for a role above the
 * caller's own and for a member that a higher rank has suspended, and `illegal_state` for the last active owner, without whom nobody could let anybody in.
 */
export async function updateMember(
  db: Db,
  principal: Principal,
  id: string,
  input: MemberUpdate,
  revision?: number,
): Promise<Answered<TenantMember>> {
  assertScope(principal, "members:write");
  if (input.role !== undefined) assertMayGive(principal, input.role);
  // Says what a miss means. What the member is, only its locked row says.
  await showMember(db, principal, id);
  return change(db, principal, async (tx) => {
    await lockOwners(tx);
    const before = await lockMember(tx, id);
    assertSeen(before.revision, revision);
    assertMayGive(principal, before.role);
    assertNotBack(principal, before);
    const row = await tx
      .updateTable("members")
      .set({
        ...input,
        ...suspended(principal, before, input.status),
        revision: sql`revision + 1`,
        updated_at: sql`now()`,
      })
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

async function lockMember(tx: TenantTx, id: string): Promise<MemberRow> {
  return tx.selectFrom("members").selectAll().where("id", "=", id).forUpdate().executeTakeFirstOrThrow();
}

/**
 * A change is judged by what its caller is once it is made. So a member that was demoted or suspended a moment ago must not make
 * itself what it was.
 */
function assertNotBack(principal: Principal, { id, role, status }: MemberRow): void {
  if (principal.kind !== "member" || principal.memberId !== id) return;
  if (role === principal.role && status === "active") return;
  throw new KeyholdError("unauthenticated", "Your role has changed. Send the request again.");
}

function suspended(principal: Principal, before: MemberRow, status: MemberUpdate["status"]) {
  const isOff = before.status === "suspended";
  if (status === "suspended") {
    return { suspended_rank: switchedOffBy(principal, isOff ? before.suspended_rank : undefined) };
  }
  if (status === undefined || !isOff) return {};
  assertMaySwitchOn(principal, before.suspended_rank, "member");
  return { suspended_rank: null };
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
