import type { KeyFailure, KeyRevocation } from "../../venues/venue-keys.ts";

/** What a step at the venue has come to, and what follows. */
export type Next =
  /** The venue, or a store, could not tell: the step is repeated, each time a while later. */
  | Readonly<{ to: "later"; reason: string; message: string }>
  /** Once more after this time; nothing went wrong. */
  | Readonly<{ to: "again"; afterMs: number }>
  /** The key that was made, if it was, must go. */
  | Readonly<{ to: "withdraw"; reason: string; message: string }>
  /** There is no new key at the venue (any more), and the old one is in force. */
  | Readonly<{ to: "given-up"; reason: string; message: string }>
  /** The overlap is over, but somebody may still need the old key. */
  | Readonly<{ to: "wait" }>
  /** The step has moved the run itself, or somebody else has. */
  | Readonly<{ to: "moved" }>;

export const moved: Next = { to: "moved" };

/** What a venue refuses now it may grant later: the parent key is given its right, say. */
export function laterAfter(failure: KeyFailure): Next {
  const reason = failure.outcome === "refused" ? failure.reason : failure.outcome;
  return { to: "later", reason, message: failure.message };
}

/** Whether a deletion left the key there, or may have. That it was gone before is as good as that it is now. */
export function isFailure(revoked: KeyRevocation): revoked is KeyFailure {
  return revoked.outcome !== "revoked" && revoked.outcome !== "absent";
}
