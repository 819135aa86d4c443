import type { Selectable } from "kysely";
import type { Role } from "../../access/permissions.ts";
import type { Database } from "../../db/schema.ts";

/** Who of an issuer's subjects belongs to the tenant, and as what. */
export type TenantMember = Readonly<{
  id: string;
  issuer: string;
  subject: string;
  role: Role;
  status: "active" | "suspended";
  revision: number;
  created_at: string;
  updated_at: string;
}>;

export function toMember(row: Selectable<Database["members"]>): TenantMember {
  return {
    id: row.id,
    issuer: row.issuer,
    subject: row.subject,
    role: row.role,
    status: row.status,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
