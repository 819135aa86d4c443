import { randomUUID } from "node:crypto";
import type { Operator } from "../access/principal.ts";
import { type Answered, changeTenant } from "../audit/change.ts";
import { assertSigner, signerOf } from "../audit/grants.ts";
import type { Db } from "../db/connect.ts";
import { type Tenant, toTenant } from "./tenant.ts";

export type NewTenant = Readonly<{
  name: string;
  /** The first member, who owns the tenant and adds the others. */
  owner: Readonly<{ issuer: string; subject: string }>;
}>;

/** Opens a tenant with its first member; its chain of the record begins here. */
export async function createTenant(
  db: Db,
  operator: Operator,
  input: NewTenant,
): Promise<Answered<Readonly<{ tenant: Tenant; owner_id: string }>>> {
  const id = randomUUID();
  const ownerId = randomUUID();
  const macKey = await assertSigner(signerOf(db)).begin(id);
  return changeTenant(db, operator, id, async (tx) => {
    const tenant = await tx
      .insertInto("tenants")
      .values({ id, name: input.name })
      .returningAll()
      .executeTakeFirstOrThrow();
    await tx
      .insertInto("data_keys")
      .values({ tenant_id: id, id: macKey.id, use: "mac", kek_id: macKey.kekId, wrapped: macKey.wrapped })
      .execute();
    await tx
      .insertInto("members")
      .values({ tenant_id: id, id: ownerId, ...input.owner, role: "owner" })
      .execute();
    return {
      value: { tenant: toTenant({ ...tenant, freezes: [] }), owner_id: ownerId },
      events: [
        { event: "tenant.created", detail: { name: input.name } },
        { event: "member.added", detail: { member_id: ownerId, role: "owner" } },
      ],
    };
  });
}
