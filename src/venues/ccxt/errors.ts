import type { Meaning } from "../outcomes.ts";

/** Whether a thrown value is of ccxt's error class `kind` or of one below it. */
export function isKind(error: unknown, kind: string): boolean {
  for (let it = error; typeof it === "object" && it !== null; it = Object.getPrototypeOf(it)) {
    if (Object.hasOwn(it, "constructor") && it.constructor.name === kind) return true;
  }
  return false;
}

/** In the order in which they are tested: a subclass stands before its parent. */
const meanings: readonly (readonly [kind: string, meaning: Meaning])[] = [
  ["PermissionDenied", "insufficient_permission"],
  ["AccountSuspended", "insufficient_permission"],
  ["AuthenticationError", "bad_key"],
  ["RestrictedLocation", "blocked"],
  ["InvalidNonce", "nonce"],
  ["RateLimitExceeded", "rate_limited"],
  ["DDoSProtection", "rate_limited"],
  ["NetworkError", "venue_unavailable"],
  ["OperationFailed", "unexpected_answer"],
];

/** What an error class of ccxt means; `undefined` for a plain refusal such as insufficient funds. */
export function classMeaning(error: unknown): Meaning | undefined {
  const found = meanings.find(([kind]) => isKind(error, kind));
  if (found !== undefined) return found[1];
  return isKind(error, "ExchangeError") ? undefined : "unexpected_answer";
}

/** ccxt's words without the exchange id it puts before them. */
export function plainMessage(exchangeId: string, error: unknown): string {
  const message = isKind(error, "BaseError") && error instanceof Error ? error.message : "the request failed";
  return message.startsWith(`${exchangeId} `) ? message.slice(exchangeId.length + 1) : message;
}
