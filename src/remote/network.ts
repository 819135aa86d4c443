import type { UnavailableReason } from "../stores/store.ts";

/** Why no whole answer came over the network, by the code of the error; HTTP clients put that of the system into the cause. */
export function reasonOfNetworkError(error: unknown): UnavailableReason {
  // What a signal throws when its time is over, and what is thrown in its place by whoever was aborted.
  if (error instanceof Error && /^(Timeout|Abort)Error$/.test(error.name)) return "timeout";
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
