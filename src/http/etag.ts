import { KeyholdError } from "../errors.ts";

/** A resource's ETag is its revision: a strong one, for every change makes a new revision. */
export function etagOf(revision: number): string {
  return `"${revision}"`;
}

/**
 * The revision that the caller has seen, from `If-Match` (RFC 9110 §13.1.1). Throws `precondition_required` without the header
 * and `stale` for anything that is no revision of ours. `*` would match whatever is there, so it says nothing of what was seen.
 */
export function revisionOf(ifMatch: string | undefined): number {
  if (ifMatch === undefined || ifMatch === "*") {
    throw new KeyholdError(
      "precondition_required",
      "Send If-Match with the ETag that you have read, so that no change of somebody else is overwritten.",
    );
  }
  const digits = /^"(\d{1,15})"$/.exec(ifMatch)?.[1];
  if (digits === undefined)
    throw new KeyholdError("stale", "If-Match holds no ETag of this resource. Read it again.");
  return Number(digits);
}
