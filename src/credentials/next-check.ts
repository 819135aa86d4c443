import type { Verdict } from "../venues/verdict.ts";
import { consequences, type Hold } from "./consequences.ts";
import type { CredentialRow } from "./credential.ts";

const minuteMs = 60_000;
/** A venue that could not tell is asked again after these times, each longer than the one before; then at the usual interval. */
const patienceMs = [0.5 * minuteMs, 2 * minuteMs];
/** A refusal is confirmed when the minute has passed that decides. */
const confirmMs = minuteMs + 1000;
/** A refusal that was held back is looked at again after this long. */
const heldMs = 15 * minuteMs;
/** A credential that is invalid is asked about rarely: in case it was refused by mistake, or its key is in force again. */
const invalidMs = [24 * 60 * minuteMs, 7 * 24 * 60 * minuteMs] as const;
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
  row: Pick<CredentialRow, "status" | "rejected_at" | "refused_since">;
  hold: Hold | null;
  /** How long an ambiguous refusal must last to end a credential. */
  ambiguousMs: number;
  /** From 0 to 1. */
  random: number;
}>;

/** A time, longer or shorter by up to a tenth. */
export function spreadOut(time: number, random: number): number {
  return time * (1 + spread * (2 * random - 1));
}

/** When the venue is asked again. */
export function nextCheck(checked: Checked): CheckSchedule {
  const { now, everyMinutes, verdict, attempts, row, random } = checked;
  const after = (ms: number): Date => new Date(now.getTime() + ms);
  if (row.status === "invalid")
    return { next_check_at: after(spreadOut(growing(checked, invalidMs), random)), check_attempts: 0 };
  if (verdict.outcome === "ambiguous")
    return { next_check_at: after(untilAsked(checked)), check_attempts: 0 };
  if (checked.hold !== null) return { next_check_at: after(heldMs), check_attempts: 0 };
  if (row.rejected_at !== null) return { next_check_at: after(confirmMs), check_attempts: 0 };
  const patience = patienceMs[attempts];
  if (consequences[verdict.outcome].later === "unchanged" && patience !== undefined)
    return { next_check_at: after(patience * (1 + spread * random)), check_attempts: attempts + 1 };
  return { next_check_at: after(spreadOut(everyMinutes, random) * minuteMs), check_attempts: 0 };
}

/** A pause as long as the refusal has lasted, so that each is twice the one before. */
function growing({ now, row }: Checked, [least, most]: readonly [number, number]): number {
  const lasted = row.refused_since === null ? 0 : now.getTime() - row.refused_since.getTime();
  return Math.min(Math.max(lasted, least), most);
}

/** After an ambiguous refusal; at the latest when it has lasted as long as decides. */
function untilAsked(checked: Checked): number {
  const { now, everyMinutes, row, ambiguousMs, random } = checked;
  const pause = spreadOut(growing(checked, [minuteMs, everyMinutes * minuteMs]), random);
  const rest = (row.refused_since?.getTime() ?? 0) + ambiguousMs - now.getTime();
  return rest > 0 ? Math.min(pause, rest) : pause;
}
