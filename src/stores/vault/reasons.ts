import type { UnavailableReason } from "../store.ts";

/**
 * Why an answer with this status is none; `null` for an answer. 412, 472 and 473 come from standbys of replicated clusters that
 * cannot serve the request just now (Vault's API documentation, "HTTP status codes" and "sys/health").
 */
export function reasonOfStatus(status: number, text: string): UnavailableReason | null {
  if (status === 429) return "overloaded";
  if (status === 501 || (status === 503 && / is sealed/.test(text))) return "sealed";
  if (status >= 500 || [412, 472, 473].includes(status) || (status >= 300 && status < 400)) return "failing";
  return null;
}

/** Why no whole answer came, by the code of the error; undici puts that of the system into the cause. */
export function reasonOfError(error: unknown): UnavailableReason {
  if (error instanceof DOMException) return "timeout";
  const code = codeOf(error);
  if (/TIMEOUT|TIMEDOUT/.test(code)) return "timeout";
  return certificateCodes.test(code) ? "untrusted" : "unreachable";
}

/** What Node and OpenSSL call a certificate that does not verify. */
const certificateCodes =
  /^(CERT_|ERR_TLS_CERT_|UNABLE_TO_(GET|VERIFY)_|(DEPTH_ZERO_)?SELF_SIGNED_CERT|INVALID_CA)/;

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("code" in error && typeof error.code === "string") return error.code;
  return codeOf(error.cause);
}
