import { KeyholdError } from "../errors.ts";

/** A resource's ETag is its revision. It is a strong one, because every change makes a new revision. */
export function etagOf(revision: number): string {
  return `"${revision}"`;
}

/**
 * The revision that the caller has read, from `If-Match` (RFC 9110 §13.1.1). Throws `precondition_required`
 * without the header, and `stale` for anything that is not an ETag of Keyhold. `*` counts as no header: it
 * matches any revision.
 */
export function revisionOf(ifMatch: string | undefined): number {
  if (ifMatch === undefined || ifMatch === "*") {
    throw new KeyholdError(
      "precondition_required",
      "Send If-Match with the ETag that you read, so that you do not overwrite another change.",
    );
  }
  const digits = /^"(\d{1,15})"$/.exec(ifMatch)?.[1];
  if (digits === undefined)
    throw new KeyholdError(
      "stale",
      "If-Match does not contain an ETag of this resource. Read the resource again.",
    );
  return Number(digits);
}
