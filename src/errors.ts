/**
 * All errors of callers: stable code → HTTP status, title, and what to do. Codes are part of the API and are
 * never used for another meaning.
 */
export const errors = {
  malformed: { status: 400, title: "The request is malformed" },
  unknown_operation: { status: 400, title: "The venue has no such operation" },
  idempotency_key_required: { status: 400, title: "An Idempotency-Key is required" },
  credential_inactive: { status: 400, title: "The credential is inactive" },
  unauthenticated: { status: 401, title: "A valid token or API key is required" },
  forbidden: { status: 403, title: "Not allowed" },
  policy_forbids: { status: 403, title: "The policy forbids this" },
  frozen: { status: 403, title: "Blocked by a freeze" },
  not_found: { status: 404, title: "Not found" },
  method_not_allowed: { status: 405, title: "Method not allowed" },
  request_timeout: { status: 408, title: "The request took too long to arrive" },
  duplicate: { status: 409, title: "Already exists" },
  illegal_state: { status: 409, title: "Not possible in the current state" },
  idempotency_in_flight: {
    status: 409,
    title: "The first request with this Idempotency-Key is still running",
  },
  stale: { status: 412, title: "Changed since you read it" },
  too_large: { status: 413, title: "The request is too large" },
  unsupported_media_type: { status: 415, title: "The body must be JSON" },
  idempotency_mismatch: { status: 422, title: "This Idempotency-Key was used for a different request" },
  venue_rejected: { status: 422, title: "The venue rejected the credential" },
  venue_ambiguous: { status: 422, title: "The venue refused the credential without a clear reason" },
  venue_unproven: { status: 422, title: "The venue cannot confirm the credential" },
  venue_account: { status: 422, title: "The new secret belongs to another account at the venue" },
  wider_permissions: { status: 422, title: "The new secret has more permissions than the old one" },
  same_secret: { status: 422, title: "The new secret is already in use" },
  venue_permission: { status: 422, title: "The credential lacks a permission at the venue" },
  venue_ip: { status: 422, title: "The venue does not allow this address" },
  venue_refused: { status: 422, title: "The venue refused the operation" },
  unsupported_by_venue: { status: 422, title: "The venue's API does not support this" },
  request_withheld: { status: 422, title: "Keyhold does not send this request" },
  withdraw_refused: { status: 422, title: "Credentials that can withdraw are refused" },
  permissions_unknown: { status: 422, title: "The venue does not report the credential's permissions" },
  precondition_required: { status: 428, title: "An If-Match header is required" },
  rate_limited: { status: 429, title: "Too many requests" },
  internal: { status: 500, title: "Internal error" },
  unsendable: { status: 422, title: "The operation cannot be sent in this form" },
  no_turn: { status: 503, title: "Other calls with this key are in progress" },
  not_sent: { status: 503, title: "Nothing was sent to the venue" },
  venue_unavailable: { status: 503, title: "The venue could not be reached" },
  store_unavailable: { status: 503, title: "The secret store cannot be reached" },
  store_denied: { status: 503, title: "The secret store refused Keyhold" },
  secret_lost: { status: 503, title: "The secret store no longer holds this secret" },
  secret_damaged: { status: 503, title: "The stored secret was altered" },
  record_unavailable: { status: 503, title: "The audit record cannot be written" },
  rights_unproven: {
    status: 503,
    title: "The rights in the database do not match those that Keyhold signed",
  },
  key_unavailable: { status: 503, title: "The key that encrypts this secret is unavailable" },
  not_ready: { status: 503, title: "The service is not ready" },
} as const satisfies Record<string, { status: number; title: string }>;

export type ErrorCode = keyof typeof errors;

/** Facts of the problem document beside its detail; never a secret. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/**
 * The only error that crosses layers. `detail` is public: it says in plain words what happened and what to
 * do. `cause` is internal and never shown.
 */
export class KeyholdError extends Error {
  override readonly name = "KeyholdError";
  readonly code: ErrorCode;
  readonly detail: string;
  readonly facts: ErrorFacts;
  /** Whether the refusal is recorded already. */
  readonly isRecorded: boolean;

  constructor(
    code: ErrorCode,
    detail: string,
    options: Readonly<{ facts?: ErrorFacts; cause?: unknown; isRecorded?: boolean }> = {},
  ) {
    super(`${code}: ${detail}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = detail;
    this.facts = options.facts ?? {};
    this.isRecorded = options.isRecorded ?? false;
  }

  get status(): number {
    return errors[this.code].status;
  }
}

/**
 * Stops the start. The message is for the operator: a sentence that says what is wrong and what to do. It
 * never contains a secret.
 */
export class StartError extends Error {
  override readonly name = "StartError";
}
