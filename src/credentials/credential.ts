import type { Selectable } from "kysely";
import type { MemberRank } from "../access/ranks.ts";
import type { CredentialsTable, StoredAccountFacts, StoredPermissions } from "../db/schema.ts";
import { KeyholdError } from "../errors.ts";
import type { Freeze } from "../tenants/freeze.ts";

export const statuses = ["pending", "active", "inactive", "invalid", "expired", "revoked"] as const;
export type Status = (typeof statuses)[number];

/**
 * The legal moves, from → to. What is not here does not happen. Back to `active` leads a valid verdict of the venue alone;
 * `inactive` is the owner's hand, `expired` a date that passed or the venue's word, and `revoked` the end.
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

export type CredentialRow = Selectable<CredentialsTable> & Readonly<{ freezes: readonly Freeze[] }>;

/** A credential as it leaves the service: metadata alone. */
export type Credential = Readonly<{
  id: string;
  account_id: string;
  owner_id: string;
  venue: string;
  environment: "live" | "paper" | "testnet";
  label: string;
  status: Status;
  /** Of whoever switched it off: that rank, or a higher one, switches it on. `null` unless it is inactive. */
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
