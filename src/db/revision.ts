import { KeyholdError } from "../errors.ts";

/** The error for a change of a row that was changed after the caller read it. */
export function stale(revision: number): KeyholdError {
  return new KeyholdError(
    "stale",
    "It has changed since you read it. Read it again, then repeat the change.",
    {
      facts: { revision },
    },
  );
}

/**
 * Throws `stale` when the caller has seen another revision than the present one. A caller without a revision
 * passes.
 */
export function assertSeen(present: number, seen: number | undefined): void {
  if (seen !== undefined && seen !== present) throw stale(present);
}
