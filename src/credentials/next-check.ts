import type { Verdict } from "../venues/verdict.ts";
import { consequences } from "./consequences.ts";
import type { CredentialRow } from "./credential.ts";

/** How often a credential is checked where its tenant has not decided. */
export const defaultCheckMinutes = 360;

const minuteMs = 60_000;
/** A venue that could not tell is asked again after these times, each longer than the one before; then at the usual interval. */
const patienceMs = [0.5 * minuteMs, 2 * minuteMs];
/** A refusal is confirmed when the minute has passed that decides. */
const confirmMs = minuteMs + 1000;
/** A refusal that was held back, because the venue seems to err, is looked at again after this long. */
const heldMs = 15 * minuteMs;
/** Checks are spread, so that what was registered together is not checked together for ever. */
const spread = 0.1;

export type CheckSchedule = Readonly<{ next_check_at: Date; check_attempts: number }>;

export type Checked = Readonly<{
  now: Date;
  /** Of the tenant. */
  everyMinutes: number;
  verdict: Verdict;
  /** How often in a row the venue could not tell before. */
  attempts: number;
  /** After the verdict was settled. */
  rejectedAt: CredentialRow["rejected_at"];
  held: boolean;
  /** From 0 to 1. */
  random: number;
}>;

/** The usual interval, longer or shorter by up to a tenth. */
export function spreadOut(everyMinutes: number, random: number): number {
  return everyMinutes * (1 + spread * (2 * random - 1));
}

/** When the venue is asked again. */
export function nextCheck({
  now,
  everyMinutes,
  verdict,
  attempts,
  rejectedAt,
  held,
  random,
}: Checked): CheckSchedule {
  const after = (ms: number): Date => new Date(now.getTime() + ms);
  if (held) return { next_check_at: after(heldMs), check_attempts: 0 };
  if (rejectedAt !== null) return { next_check_at: after(confirmMs), check_attempts: 0 };
  const patience = patienceMs[attempts];
  if (consequences[verdict.outcome].later === "unchanged" && patience !== undefined)
    return { next_check_at: after(patience * (1 + spread * random)), check_attempts: attempts + 1 };
  return { next_check_at: after(spreadOut(everyMinutes, random) * minuteMs), check_attempts: 0 };
}
