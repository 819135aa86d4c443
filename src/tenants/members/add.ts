import { randomUUID } from "node:crypto";
import type { Role } from "../../access/permissions.ts";
import { assertScope, type Principal } from "../../access/principal.ts";
import { type Answered, change } from "../../audit/change.ts";
import type { Db } from "../../db/connect.ts";
import { KeyholdError } from "../../errors.ts";
import { assertMayGive } from "./roles.ts";
import { type TenantMember, toMember } from "./member.ts";

export type NewMember = Readonly<{ issuer: string; subject: string; role: Role }>;

/** Lets a subject of an issuer in. Throws `duplicate`, and `forbidden` for a role above the caller's own. */
export async function addMember(
  db: Db,
  principal: Principal,
  input: NewMember,
): Promise<Answered<TenantMember>> {
  assertScope(principal, "members:write");
  assertMayGive(principal, input.role);
  const id = randomUUID();
  return change(db, principal, async (tx) => {
    const row = await tx
      .insertInto("members")
      .values({ tenant_id: principal.tenantId, id, ...input })
      .onConflict((conflict) => conflict.columns(["tenant_id", "issuer", "subject"]).doNothing())
      .returningAll()
      .executeTakeFirst();
    if (row === undefined)
      throw new KeyholdError("duplicate", "This subject of this issuer is a member already.");
    return {
      value: toMember(row),
      events: [{ event: "member.added", detail: { member_id: id, role: input.role } }],
    };
  });
}
