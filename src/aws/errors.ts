import {
  StoreTrouble,
  denied,
  reasonOfNetworkError,
  type DeniedReason,
  unavailable,
} from "../remote/failure.ts";

/** Names from the error lists of Secrets Manager and from "Common error types" of its API reference. */
const refusals: Readonly<Record<string, DeniedReason>> = {
  AccessDeniedException: "policy",
  NotAuthorized: "policy",
  OptInRequired: "policy",
  // The key of KMS that encrypts the secret may not be used, or is disabled.
  DecryptionFailure: "policy",
  EncryptionFailure: "policy",
  UnrecognizedClientException: "token",
  InvalidClientTokenId: "token",
  InvalidSignatureException: "token",
  SignatureDoesNotMatch: "token",
  MissingAuthenticationToken: "token",
  ExpiredTokenException: "token",
  RequestExpired: "token",
  CredentialsProviderError: "login",
};

/** What an error of the SDK means for a store. Its message is dropped, because it quotes the request. */
export function troubleOf(error: unknown): StoreTrouble {
  if (error instanceof StoreTrouble) return error;
  const name = nameOf(error);
  const refusal = refusals[name];
  if (refusal !== undefined) return new StoreTrouble(denied(refusal));
  const status = statusOf(error);
  if (status === 429 || /Throttl|TooManyRequests|RequestLimitExceeded/.test(name))
    return new StoreTrouble(unavailable("overloaded"));
  if (status === undefined) return new StoreTrouble(unavailable(reasonOfNetworkError(error)));
  return new StoreTrouble(status >= 400 && status < 500 ? denied("invalid") : unavailable("failing"));
}

/** Whether the service named the error so. */
export function isNamed(error: unknown, name: string): boolean {
  return nameOf(error) === name;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

/** The status of the answer that the error was made from; `undefined` when no answer came. */
function statusOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("$metadata" in error)) return undefined;
  const metadata: unknown = error.$metadata;
  if (typeof metadata !== "object" || metadata === null || !("httpStatusCode" in metadata)) return undefined;
  return typeof metadata.httpStatusCode === "number" ? metadata.httpStatusCode : undefined;
}
