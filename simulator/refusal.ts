/**
 * Why a venue says no, in words common to all venues. Each venue has a table from every one of these to the
 * status, code and body that it documents (see `SimulatedVenue.refusals`).
 */
export const reasons = [
  "missing_credentials",
  "unknown_key",
  "bad_signature",
  "wrong_passphrase",
  "wrong_environment",
  "expired_key",
  "insufficient_permission",
  "ip_not_allowed",
  "clock_skew",
  "bad_nonce",
  "account_locked",
  "rate_limited",
  "unavailable",
  "malformed_request",
  "unknown_symbol",
  "insufficient_funds",
  "duplicate_order",
  "unknown_order",
  "unknown_path",
] as const;
export type Reason = (typeof reasons)[number];

/** The same for the management of keys, at the venues that have it (see `SimulatedVenue.keyRefusals`). */
export const keyReasons = [
  "not_main_account",
  "needs_bound_key",
  "unknown_sub_account",
  "unknown_sub_key",
  "key_limit",
  "label_taken",
  "unfit_label",
  "unfit_passphrase",
] as const;
export type KeyReason = (typeof keyReasons)[number];

/** Why an order ends at once, at the venues that refuse it for that (see `OrderRules.refused`). */
type OrderReason = "would_take" | "would_rest";

/** What goes back over the wire: `body` as JSON (nothing when `undefined`), or `text` as it is. */
export type Answer = Readonly<{
  status: number;
  body?: unknown;
  text?: string;
  headers?: Readonly<Record<string, string>>;
}>;

/**
 * Ends the handling of a request. `answer` replaces the venue's usual one where an endpoint or a rule has its
 * own.
 */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly reason: Reason | KeyReason | OrderReason;
  readonly answer: Answer | undefined;

  constructor(reason: Reason | KeyReason, answer?: Answer);
  constructor(reason: Reason | KeyReason | OrderReason, answer: Answer);
  constructor(reason: Refused["reason"], answer?: Answer) {
    super(reason);
    this.reason = reason;
    this.answer = answer;
  }
}

export const ok = (body: unknown): Answer => ({ status: 200, body });
