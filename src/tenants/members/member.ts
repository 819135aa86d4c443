import type { Selectable } from "kysely";
import type { Role } from "../../access/permissions.ts";
import type { MemberRank } from "../../access/ranks.ts";
import type { Database } from "../../db/schema.ts";

/** Who of an issuer's subjects belongs to the tenant, and as what. */
export type TenantMember = Readonly<{
  id: string;
  issuer: string;
  subject: string;
  role: Role;
  status: "active" | "suspended";
  /** That rank, or a higher one, lets it in again. `null` while it is active. */
  suspended_rank: MemberRank | null;
  revision: number;
  created_at: string;
  updated_at: string;
}>;

export type MemberRow = Selectable<Database["members"]>;

export function toMember(row: MemberRow): TenantMember {
  return {
    id: row.id,
    issuer: row.issuer,
    subject: row.subject,
    role: row.role,
    status: row.status,
    suspended_rank: row.status === "suspended" ? (row.suspended_rank ?? "owner") : null,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}
