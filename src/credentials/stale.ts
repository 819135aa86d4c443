import { KeyholdError } from "../errors.ts";

/** The error for a change of something that was changed since the caller read it. */
export function stale(revision: number): KeyholdError {
  return new KeyholdError(
    "stale",
    "It has changed since you read it. Read it again, then repeat the change.",
    {
      facts: { revision },
    },
  );
}
