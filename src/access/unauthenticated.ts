import { KeyholdError } from "../errors.ts";

/** Why a caller was refused, for logs and metrics. The caller always gets the same answer. */
export type AuthenticationFailure =
  | "missing"
  | "malformed"
  | "issuer"
  | "keys"
  | "signature"
  | "expired"
  | "claims"
  | "tenant"
  | "membership"
  | "api_key";

class AuthenticationError extends Error {
  override readonly name = "AuthenticationError";
  readonly code: AuthenticationFailure;
  readonly detail: string | null;

  constructor(code: AuthenticationFailure, cause: unknown, detail: string | null) {
    super(code, { cause });
    this.code = code;
    this.detail = detail;
  }
}

/**
 * One answer for all refused callers, because a reason would help to guess a valid token. `detail` is for the
 * log of the operator and contains nothing that the caller chose.
 */
export function unauthenticated(
  reason: AuthenticationFailure,
  { cause, detail = null }: Readonly<{ cause?: unknown; detail?: string | null }> = {},
): KeyholdError {
  return new KeyholdError(
    "unauthenticated",
    "Send `Authorization: Bearer` with a valid token or API key of an active member.",
    { cause: new AuthenticationError(reason, cause, detail) },
  );
}

/** The reason inside an error that `unauthenticated` made; `null` for any other. */
export function failureOf(error: unknown): AuthenticationFailure | null {
  if (!(error instanceof KeyholdError)) return null;
  return error.cause instanceof AuthenticationError ? error.cause.code : null;
}

/** The reason with its detail, for a line of the log. */
export function explainFailure(error: unknown): string | null {
  if (!(error instanceof KeyholdError) || !(error.cause instanceof AuthenticationError)) return null;
  const { code, detail } = error.cause;
  return detail === null ? code : `${code}: ${detail}`;
}
