import { KeyholdError } from "../errors.ts";

/** Why a caller was not let in: for logs and metrics. The caller is told the same whatever it was. */
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

  constructor(code: AuthenticationFailure, cause: unknown) {
    super(code, { cause });
    this.code = code;
  }
}

/** One answer to everybody: an error that told why would help to guess what is right. */
export function unauthenticated(reason: AuthenticationFailure, cause?: unknown): KeyholdError {
  return new KeyholdError(
    "unauthenticated",
    "Send `Authorization: Bearer` with a valid token or API key of an active member.",
    { cause: new AuthenticationError(reason, cause) },
  );
}

/** The reason inside an error that `unauthenticated` made; `null` for any other. */
export function failureOf(error: unknown): AuthenticationFailure | null {
  if (!(error instanceof KeyholdError)) return null;
  return error.cause instanceof AuthenticationError ? error.cause.code : null;
}
