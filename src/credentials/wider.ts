import type { StoredPermissions } from "../db/stored-json.ts";
import type { Permissions } from "../venues/verdict.ts";

/**
 * What a new key may do that the old one may not: grants, words that Keyhold does not know, or addresses. What the venue did not
 * tell of the old key cannot be compared, and counts as nothing.
 */
export function widened(before: StoredPermissions | null, after: Permissions): readonly string[] {
  if (before === null) return [];
  const grants = (["read", "trade", "withdraw", "transfer"] as const).filter(
    (name) => before[name] === "no" && after[name] !== "no",
  );
  const words = after.unknownWords.filter((word) => !before.unknown_words.includes(word));
  return [
    ...grants,
    ...words,
    ...(isReachableFromMore(before.bound_ips, after.boundIps) ? ["bound_ips"] : []),
  ];
}

function isReachableFromMore(before: readonly string[] | null, after: readonly string[] | null): boolean {
  if (before === null || before.length === 0 || after === null) return false;
  return after.length === 0 || after.some((address) => !before.includes(address));
}
