import type { Cli } from "./cli.ts";
import type { Freezes } from "./shapes.ts";

type Frozen = Readonly<{ frozen: boolean; freezes: Freezes }>;

/** Whether something is frozen, and what stands on it: who may lift it, since when, and why. */
export function frozenOf({ frozen, freezes }: Frozen): string | boolean {
  return frozen && freezes.length > 0 ? `yes, ${describe(freezes)}` : frozen;
}

/** The status of a credential with what stands on it. */
export function statusOf({ status, frozen, freezes }: Frozen & Readonly<{ status: string }>): string {
  return frozen ? [`${status}, frozen`, describe(freezes)].join(" ").trimEnd() : status;
}

/** A word to the person whose unfreezing has left a freeze of a higher rank. */
export function noteWhatIsLeft({ output }: Cli, { freezes }: Pick<Frozen, "freezes">): void {
  if (freezes.length === 0) return;
  output.note(
    `It is still frozen: ${describe(freezes)}. Ask somebody of that rank or a higher one to lift it.`,
  );
}

function describe(freezes: Freezes): string {
  const each = freezes.map(({ rank, frozen_at, reason }) => {
    return `by ${rank} since ${frozen_at}${reason === null ? "" : ` (${reason})`}`;
  });
  return each.join("; ");
}
