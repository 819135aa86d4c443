import type { Selectable } from "kysely";
import type { MemberRank } from "../access/principal.ts";
import type { Database } from "../db/schema.ts";
import type { StoredAccountFacts, StoredPermissions } from "../db/stored-json.ts";
import { KeyholdError } from "../errors.ts";
import type { Freeze } from "../tenants/freeze.ts";
import type { Permissions } from "../venues/verdict.ts";

export const statuses = ["pending", "active", "inactive", "invalid", "expired", "revoked"] as const;
export type Status = (typeof statuses)[number];

/**
 * The legal moves, from → to; no others happen. Only a valid verdict of the venue leads back to `active`. The
 * owner sets `inactive`; a date that has passed or the venue sets `expired`; `revoked` is the end.
 */
export const moves: Readonly<Record<Status, readonly Status[]>> = {
  pending: ["active", "invalid", "revoked"],
  active: ["inactive", "invalid", "expired", "revoked"],
  inactive: ["active", "revoked"],
  invalid: ["active", "revoked"],
  expired: ["active", "revoked"],
  revoked: [],
};

/** Throws `illegal_state` unless the table of moves has `from` → `to`. */
export function assertMove(from: Status, to: Status): void {
  if (moves[from].includes(to)) return;
  throw new KeyholdError("illegal_state", `A credential that is ${from} cannot become ${to}.`, {
    facts: { credential_status: from },
  });
}

/** What the credential's owner allows: classes of `invoke`, and whether the plaintext may be revealed. */
export type Policy = Readonly<{
  allow: readonly ("read" | "trade" | "transfer" | "withdraw")[];
  reveal: boolean;
}>;

export const defaultPolicy: Policy = { allow: ["read"], reveal: false };

export type CredentialRow = Selectable<Database["credentials"]> & Readonly<{ freezes: readonly Freeze[] }>;

/** A credential as it leaves the service: metadata alone. */
export type Credential = Readonly<{
  id: string;
  account_id: string;
  owner_id: string;
  venue: string;
  environment: "live" | "paper" | "testnet";
  label: string;
  status: Status;
  /**
   * The rank of the actor that switched it off: that rank, or a higher one, switches it on. `null` unless it
   * is inactive.
   */
  switched_off_rank: MemberRank | null;
  frozen: boolean;
  freezes: readonly Freeze[];
  permissions: StoredPermissions | null;
  account: StoredAccountFacts;
  policy: Policy;
  secret: Readonly<{ store: string; version: number }>;
  health: "unknown" | "healthy" | "degraded" | "unhealthy";
  health_message: string | null;
  expires_at: string | null;
  last_validated_at: string | null;
  revision: number;
  created_at: string;
  updated_at: string;
}>;

export function toCredential(row: CredentialRow): Credential {
  return {
    id: row.id,
    account_id: row.account_id,
    owner_id: row.owner_id,
    venue: row.venue,
    environment: row.environment,
    label: row.label,
    status: row.status,
    switched_off_rank: row.status === "inactive" ? (row.switched_off_rank ?? "owner") : null,
    frozen: row.frozen_at !== null,
    freezes: row.freezes,
    permissions: row.permissions,
    account: row.account_facts,
    policy: { allow: row.allow, reveal: row.reveal },
    secret: { store: row.store, version: row.version },
    health: row.health,
    health_message: row.health_message,
    expires_at: row.expires_at?.toISOString() ?? null,
    last_validated_at: row.last_validated_at?.toISOString() ?? null,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

/** Permissions as they are kept and shown. */
export function describePermissions({ boundIps, unknownWords, ...grants }: Permissions): StoredPermissions {
  return { ...grants, bound_ips: boundIps, unknown_words: unknownWords };
}
