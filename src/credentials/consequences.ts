import { KeyholdError, type ErrorCode } from "../errors.ts";
import type { Outcome, Valid, Verdict } from "../venues/verdict.ts";
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

/** The error that an outcome is; a valid verdict after which a credential is still not active is a matter of its state. */
export function codeOf(outcome: Outcome): ErrorCode {
  const { atRegister } = consequences[outcome];
  return atRegister === "kept" ? "illegal_state" : atRegister;
}

/** Throws what a caller is told whose credential cannot be kept. */
export function refuseAtRegister(verdict: Exclude<Verdict, { outcome: "valid" }>): never {
  const code = codeOf(verdict.outcome);
  const facts = verdict.outcome === "rejected" ? { reason: verdict.reason } : {};
  const advice =
    code === "venue_unavailable" ? " Nothing was stored; try again later." : " Nothing was stored.";
  throw new KeyholdError(code, verdict.message + advice, { facts: { outcome: verdict.outcome, ...facts } });
}

/** When the venue ends the key; `null` when it does not tell or the key never ends. */
export function expiryOf({ expiresAt }: Valid): Date | null {
  return expiresAt === null ? null : new Date(expiresAt);
}

/** How long after a first refusal a second one decides. */
const confirmAfterMs = 60_000;

export type Settlement = Readonly<{
  status: Status;
  health: CredentialRow["health"];
  healthMessage: string | null;
  rejectedAt: Date | null;
  venueExpiresAt: Date | null;
}>;

type Standing = Pick<CredentialRow, "status" | "rejected_at" | "owner_expires_at" | "venue_expires_at">;

/** What is known beside the verdict when it is settled. */
export type Circumstances = Readonly<{
  now: Date;
  /** Whether the owner asked to switch the credential on. */
  activates: boolean;
  /** Why the tenant's policy would not take a key that may do this; `null` when it would. */
  objection: string | null;
}>;

/**
 * What a verdict makes of a credential that is kept; `null` when it changes nothing. What would have been refused at register ends
 * a pending credential at once. An active one is ended only by a refusal that is repeated a minute later, because venues err.
 */
export function settle(row: Standing, verdict: Verdict, circumstances: Circumstances): Settlement | null {
  if (row.status === "revoked") return null;
  const kept = {
    status: row.status,
    healthMessage: messageOf(verdict),
    rejectedAt: null,
    venueExpiresAt: row.venue_expires_at,
  };
  switch (consequences[verdict.outcome].later) {
    case "unchanged":
      return null;
    case "active":
      return { ...kept, health: "healthy", ...accept(row, verdict, circumstances) };
    case "degraded":
      return row.status === "pending"
        ? { ...kept, status: "invalid", health: "unhealthy" }
        : { ...kept, health: "degraded" };
    case "ended":
      return { ...kept, ...endOrDoubt(row, verdict, circumstances.now), health: "unhealthy" };
  }
}

/** A valid verdict leads to `active`, unless the policy, a date or the owner's own hand stands against it. */
function accept(
  row: Standing,
  verdict: Verdict,
  { now, activates, objection }: Circumstances,
): Partial<Settlement> {
  const venueExpiresAt = verdict.outcome === "valid" ? expiryOf(verdict) : row.venue_expires_at;
  const passed = [row.owner_expires_at, venueExpiresAt].some((date) => date !== null && date <= now);
  if (row.status === "active") {
    const disliked = objection === null ? {} : { health: "degraded" as const, healthMessage: objection };
    return { status: passed ? "expired" : "active", venueExpiresAt, ...disliked };
  }
  if (objection !== null) {
    const status = row.status === "pending" ? "invalid" : row.status;
    return { status, venueExpiresAt, health: "unhealthy", healthMessage: objection };
  }
  // Switched off while the venue was being asked: the owner's hand stays.
  if (row.status === "inactive" && !activates) return { venueExpiresAt };
  // The clock takes what is pending or invalid from `active` to `expired`, which is the one move that leads there.
  if (passed && (row.status === "inactive" || row.status === "expired")) {
    return { venueExpiresAt, healthMessage: "Its expiry date has passed. Set a later one." };
  }
  return { status: "active", venueExpiresAt };
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
