import { type ErrorCode, type ErrorFacts, KeyholdError } from "../errors.ts";
import type { InvokeResult } from "../venues/venue.ts";
import type { Ambiguous, Outcome, Rejected, Valid, Verdict } from "../venues/verdict.ts";
import type { CredentialRow, Status } from "./credential.ts";

const unavailable = {
  atRegister: "venue_unavailable",
  later: "unchanged",
  advice: "Nothing was stored; try again later.",
} as const;

/** Advice to a caller whose key nothing proves. */
export const unprovenAdvice =
  "The tenant's policy refuses such keys; with `allow_unproven` they are kept as they are.";

/** Every outcome and its consequences. Indefinite outcomes change nothing, ever. */
export const consequences: Readonly<
  Record<
    Outcome,
    Readonly<{
      atRegister: "kept" | ErrorCode;
      /** `unchanged` touches nothing at all; `degraded` and `ambiguous` stay usable, the latter for a time. */
      later: "active" | "ended" | "ambiguous" | "degraded" | "unproven" | "unchanged";
      /** Stands beside the message when a secret was not kept. It names a later try where that can help. */
      advice?: string;
    }>
  >
> = {
  valid: { atRegister: "kept", later: "active" },
  rejected: { atRegister: "venue_rejected", later: "ended" },
  ambiguous: { atRegister: "venue_ambiguous", later: "ambiguous" },
  insufficient_permission: { atRegister: "venue_permission", later: "degraded" },
  ip_not_allowed: { atRegister: "venue_ip", later: "degraded" },
  unproven: {
    atRegister: "venue_unproven",
    later: "unproven",
    advice: `Nothing was stored. ${unprovenAdvice}`,
  },
  rate_limited: unavailable,
  venue_unavailable: unavailable,
  timeout: unavailable,
  clock_skew: { ...unavailable, advice: "Nothing was stored. Set the clock right, then try again." },
  nonce: { ...unavailable, advice: "Nothing was stored." },
  blocked: {
    ...unavailable,
    advice:
      "Nothing was stored. From this address it stays so: the operator can set an outbound proxy for the venue (KEYHOLD_VENUE_PROXIES).",
  },
  unexpected_answer: { ...unavailable, advice: "Nothing was stored." },
};

/** `true` or `false` where the venue decided, `null` where it gave no clear answer. */
export function isValid(verdict: Verdict): boolean | null {
  if (verdict.outcome === "valid") return true;
  const { later } = consequences[verdict.outcome];
  return later === "unchanged" || later === "unproven" ? null : false;
}

/**
 * The error for an outcome. After a valid verdict a credential can still not be active: that is an error of
 * its state.
 */
export function codeOf(outcome: Outcome): ErrorCode {
  const { atRegister } = consequences[outcome];
  return atRegister === "kept" ? "illegal_state" : atRegister;
}

/** Throws the error for a caller whose secret cannot be kept. */
export function refuseAtRegister(verdict: Exclude<Verdict, Valid>): never {
  const { advice = "Nothing was stored." } = consequences[verdict.outcome];
  throw new KeyholdError(codeOf(verdict.outcome), `${verdict.message} ${advice}`, {
    facts: factsOf(verdict),
  });
}

/** The facts beside the message of a refusal. */
export function factsOf(verdict: Exclude<Verdict, Valid>): ErrorFacts {
  const { outcome } = verdict;
  if (outcome === "rejected") return { outcome, reason: verdict.reason };
  return outcome === "ambiguous" ? { outcome, possible_causes: verdict.causes } : { outcome };
}

/** Whether a live call failed because the key was refused, or may have been. */
export function refusesKey(answer: InvokeResult): answer is Rejected | Ambiguous {
  return answer.outcome === "rejected" || answer.outcome === "ambiguous";
}

/** When the venue ends the key, at the latest; `null` when it names no date or the key never ends. */
export function expiryOf({ expiresAt, expiresWithinMs = 0 }: Valid): Date | null {
  return expiresAt === null ? null : new Date(Date.parse(expiresAt) + expiresWithinMs);
}

/**
 * The same for a key whose end was known before. A venue that gives the remaining time in whole days names
 * another moment in each answer. While they agree, the first one holds, unless it has passed and the venue
 * still accepts the key.
 */
function steadyExpiryOf(verdict: Valid, known: Date | null, now: Date): Date | null {
  const latest = expiryOf(verdict);
  if (latest === null || known === null || known <= now) return latest;
  const apart = Math.abs(latest.getTime() - known.getTime());
  return apart <= (verdict.expiresWithinMs ?? 0) ? known : latest;
}

/** How long after a first refusal a second one decides. */
const confirmAfterMs = 60_000;

type Settlement = Readonly<{
  status: Status;
  health: CredentialRow["health"];
  healthMessage: string | null;
  rejectedAt: Date | null;
  refusedSince: Date | null;
  refusedAs: CredentialRow["refused_as"];
  heldAt: Date | null;
  venueExpiresAt: Date | null;
}>;

/** The columns of a credential that no refusal is held against. */
export const unrefused = { rejected_at: null, refused_since: null, refused_as: null, held_at: null } as const;

type Standing = Pick<
  CredentialRow,
  | "status"
  | "rejected_at"
  | "refused_since"
  | "refused_as"
  | "held_at"
  | "owner_expires_at"
  | "venue_expires_at"
>;

/** All that decides beside the row and the verdict. */
export type Circumstances = Readonly<{
  now: Date;
  /** Whether the owner asked to switch the credential on. */
  activates: boolean;
  /** The objection of the tenant's policy to what the key may do; `null` when there is none. */
  objection: string | null;
  /** How long an ambiguous refusal must last to end a credential. */
  ambiguousMs: number;
  /** Why a refusal must not end a credential now; `null` when it may. */
  hold: Hold | null;
}>;

/**
 * Why a refusal ends nothing: our clock is far off the venue's, the venue refuses too many keys, or it
 * refuses our address.
 */
export type Hold = "clock" | "many" | "address";

/**
 * What a verdict makes of a credential that is kept; `null` when it changes nothing. A refusal ends a pending
 * credential at once, unless it is ambiguous. Because venues err, an active one ends only by a refusal that
 * is repeated a minute later, or by an ambiguous one that lasts.
 */
export function settle(row: Standing, verdict: Verdict, circumstances: Circumstances): Settlement | null {
  if (row.status === "revoked") return null;
  const kept = {
    status: row.status,
    healthMessage: messageOf(verdict),
    rejectedAt: null,
    ...refusalOf(row, verdict, circumstances.now),
    heldAt: null,
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
    case "ambiguous":
      return { ...kept, health: "degraded", ...endOrWait(row, verdict, circumstances) };
    case "unproven":
      // Nothing new is known about a key that is in use.
      if (row.status === "active") return null;
      return { ...kept, health: "unknown", ...accept(row, verdict, circumstances) };
    case "ended":
      return { ...kept, health: "unhealthy", ...endOrDoubt(row, verdict, circumstances) };
  }
}

/**
 * Since when the venue refuses a credential that it accepted before, and how. A pending credential was never
 * accepted; for it only the time of an ambiguous refusal matters.
 */
function refusalOf(
  row: Standing,
  verdict: Verdict,
  now: Date,
): Pick<Settlement, "refusedSince" | "refusedAs"> {
  const refusedAs = refusals.find((outcome) => outcome === verdict.outcome) ?? null;
  const continues = row.refused_since !== null && knowsKey(row.refused_as) === knowsKey(refusedAs);
  const begins = row.status === "active" || (row.status === "pending" && refusedAs === "ambiguous");
  if (refusedAs === null || !(continues || begins)) return { refusedSince: null, refusedAs: null };
  return { refusedSince: continues ? row.refused_since : now, refusedAs };
}

const refusals = ["rejected", "ambiguous", "ip_not_allowed"] as const;

/** A venue that definitely refuses the address knows the key. */
function knowsKey(refusedAs: CredentialRow["refused_as"]): boolean {
  return refusedAs === "ip_not_allowed";
}

/** Whether this refusal ends the credential, unless something holds it. */
export function ends(
  row: Standing,
  verdict: Verdict,
  { now, ambiguousMs }: Pick<Circumstances, "now" | "ambiguousMs">,
): boolean {
  const since = (date: Date | null): number => (date === null ? -1 : now.getTime() - date.getTime());
  switch (consequences[verdict.outcome].later) {
    case "ended":
      return (
        row.status === "pending" || (row.status === "active" && since(row.rejected_at) >= confirmAfterMs)
      );
    case "ambiguous":
      return (
        (row.status === "pending" || row.status === "active") &&
        !knowsKey(row.refused_as) &&
        since(row.refused_since) >= ambiguousMs
      );
    default:
      return false;
  }
}

/** A valid verdict leads to `active`, unless the policy, a date or the owner is against it. */
function accept(
  row: Standing,
  verdict: Verdict,
  { now, activates, objection }: Circumstances,
): Partial<Settlement> {
  const venueExpiresAt =
    verdict.outcome === "valid" ? steadyExpiryOf(verdict, row.venue_expires_at, now) : row.venue_expires_at;
  const passed = [row.owner_expires_at, venueExpiresAt].some((date) => date !== null && date <= now);
  if (row.status === "active") {
    const disliked = objection === null ? {} : { health: "degraded" as const, healthMessage: objection };
    return { status: passed ? "expired" : "active", venueExpiresAt, ...disliked };
  }
  if (objection !== null) {
    const status = row.status === "pending" ? "invalid" : row.status;
    return { status, venueExpiresAt, health: "unhealthy", healthMessage: objection };
  }
  // Its owner switched it off while the venue was being asked, so it stays off.
  if (row.status === "inactive" && !activates) return { venueExpiresAt };
  // A pending or invalid credential becomes active first, and the clock makes it expired: no other move leads
  // there.
  if (passed && (row.status === "inactive" || row.status === "expired")) {
    return { venueExpiresAt, healthMessage: "Its expiry date has passed. Set a later one." };
  }
  return { status: "active", venueExpiresAt };
}

/**
 * A second definite refusal ends an active credential; while a refusal is held back, the credential is
 * degraded.
 */
function endOrDoubt(row: Standing, verdict: Verdict, circumstances: Circumstances): Partial<Settlement> {
  const { now, hold } = circumstances;
  if (row.status !== "active" && row.status !== "pending") return {};
  if (hold !== null) {
    const heldAt = hold === "many" ? (row.held_at ?? now) : row.held_at;
    return { health: "degraded", rejectedAt: row.rejected_at, heldAt };
  }
  if (!ends(row, verdict, circumstances)) return { rejectedAt: row.rejected_at ?? now };
  const expired = row.status === "active" && verdict.outcome === "rejected" && verdict.reason === "expired";
  return { status: expired ? "expired" : "invalid" };
}

/**
 * A refusal that may be about the address or the clock is waited for: the credential recovers, or ends when
 * the refusal has lasted.
 */
function endOrWait(row: Standing, verdict: Verdict, circumstances: Circumstances): Partial<Settlement> {
  if (row.status === "invalid" || row.status === "expired") return { health: "unhealthy" };
  if (circumstances.hold !== null || !ends(row, verdict, circumstances)) return {};
  const hours = Math.floor((circumstances.now.getTime() - (row.refused_since?.getTime() ?? 0)) / 3_600_000);
  return {
    status: "invalid",
    health: "unhealthy",
    healthMessage: `${messageOf(verdict) ?? ""} It has been so for ${hours} hours.`,
  };
}

function messageOf(verdict: Verdict): string | null {
  return verdict.outcome === "valid" ? null : verdict.message;
}
