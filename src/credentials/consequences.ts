import { KeyholdError, type ErrorCode } from "../errors.ts";
import type { Outcome, Verdict } from "../venues/verdict.ts";
import type { CredentialRow, Status } from "./credential.ts";

/** What an outcome of the venue leads to: kept or refused at register, and what it does to a credential that is kept. */
type Consequence = Readonly<{
  atRegister: "kept" | ErrorCode;
  /** `unchanged` touches nothing at all; `degraded` stays usable. */
  later: "active" | "ended" | "degraded" | "unchanged";
}>;

/** Every outcome and what follows from it. Indefinite outcomes change nothing, ever. */
export const consequences: Readonly<Record<Outcome, Consequence>> = {
  valid: { atRegister: "kept", later: "active" },
  rejected: { atRegister: "venue_rejected", later: "ended" },
  insufficient_permission: { atRegister: "venue_permission", later: "degraded" },
  ip_not_allowed: { atRegister: "venue_ip", later: "degraded" },
  clock_skew: { atRegister: "venue_unavailable", later: "unchanged" },
  nonce: { atRegister: "venue_unavailable", later: "unchanged" },
  rate_limited: { atRegister: "venue_unavailable", later: "unchanged" },
  venue_unavailable: { atRegister: "venue_unavailable", later: "unchanged" },
  timeout: { atRegister: "venue_unavailable", later: "unchanged" },
  blocked: { atRegister: "venue_unavailable", later: "unchanged" },
  unexpected_answer: { atRegister: "venue_unavailable", later: "unchanged" },
};

/** `true` or `false` where the venue decided, `null` where it could not tell. */
export function isValid(verdict: Verdict): boolean | null {
  if (verdict.outcome === "valid") return true;
  return consequences[verdict.outcome].later === "unchanged" ? null : false;
}

/** Throws what a caller is told whose credential cannot be kept. */
export function refuseAtRegister(verdict: Exclude<Verdict, { outcome: "valid" }>): never {
  const { atRegister } = consequences[verdict.outcome];
  const code: ErrorCode = atRegister === "kept" ? "internal" : atRegister;
  const facts = verdict.outcome === "rejected" ? { reason: verdict.reason } : {};
  const advice =
    code === "venue_unavailable" ? " Nothing was stored; try again later." : " Nothing was stored.";
  throw new KeyholdError(code, verdict.message + advice, { facts: { outcome: verdict.outcome, ...facts } });
}

/** How long after a first refusal a second one decides. */
const confirmAfterMs = 60_000;

export type Settlement = Readonly<{
  status: Status;
  health: CredentialRow["health"];
  healthMessage: string | null;
  rejectedAt: Date | null;
  expiresAt: Date | null;
}>;

type Standing = Pick<CredentialRow, "status" | "rejected_at" | "expires_at">;

/**
 * What a verdict makes of a credential that is kept; `null` when it changes nothing. A refusal ends a pending credential at
 * once and an active one only when it is repeated a minute later, because venues err.
 */
export function settle(row: Standing, verdict: Verdict, now: Date): Settlement | null {
  const kept = {
    status: row.status,
    healthMessage: messageOf(verdict),
    rejectedAt: null,
    expiresAt: row.expires_at,
  };
  switch (consequences[verdict.outcome].later) {
    case "unchanged":
      return null;
    case "active":
      return { ...kept, ...activate(row, verdict, now), health: "healthy" };
    case "degraded":
      return { ...kept, health: "degraded" };
    case "ended":
      return { ...kept, ...endOrDoubt(row, verdict, now), health: "unhealthy" };
  }
}

/** A valid key whose date has passed stays expired, unless the venue tells a later date. */
function activate(row: Standing, verdict: Verdict, now: Date): { status: Status; expiresAt: Date | null } {
  const told = verdict.outcome === "valid" && verdict.expiresAt !== null ? new Date(verdict.expiresAt) : null;
  const expiresAt = told ?? row.expires_at;
  if (expiresAt === null || expiresAt > now) return { status: "active", expiresAt };
  return { status: row.status === "active" ? "expired" : row.status, expiresAt };
}

function endOrDoubt(row: Standing, verdict: Verdict, now: Date): { status: Status; rejectedAt: Date | null } {
  if (row.status === "pending") return { status: "invalid", rejectedAt: null };
  if (row.status !== "active") return { status: row.status, rejectedAt: null };
  if (row.rejected_at === null) return { status: "active", rejectedAt: now };
  if (now.getTime() - row.rejected_at.getTime() < confirmAfterMs) {
    return { status: "active", rejectedAt: row.rejected_at };
  }
  const expired = verdict.outcome === "rejected" && verdict.reason === "expired";
  return { status: expired ? "expired" : "invalid", rejectedAt: null };
}

function messageOf(verdict: Verdict): string | null {
  return verdict.outcome === "valid" ? null : verdict.message;
}
