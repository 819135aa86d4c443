/**
 * Why a store gave no definite answer, as a sentence for the operator. A cached copy may be used for a while.
 */
export const unavailableReasons = {
  timeout: "The store did not answer in time.",
  unreachable: "No connection to the store could be made, or it broke.",
  untrusted: "The store's certificate is not trusted: check the authority that is configured, and its name.",
  sealed: "The store is sealed or not initialised: unseal it.",
  overloaded: "The store refuses for now because it gets too many requests.",
  failing: "The store answers with errors of its own, or with what no such store answers.",
  circuit_open: "The store failed again and again, and is left alone for some seconds.",
} as const;
export type UnavailableReason = keyof typeof unavailableReasons;

/**
 * Why a store refused, as a sentence for the operator, who alone can correct it. No cached copy may be used.
 */
export const deniedReasons = {
  token: "The store does not accept Keyhold's token: it was revoked, or it ended and cannot be renewed.",
  login: "The store refuses Keyhold's login: check the role, and whether its secret has ended.",
  policy: "The store's policy does not let Keyhold do this: compare it with the one in the guide.",
  no_mount: "The store has no secrets engine at the configured mount.",
  wrong_engine: "The engine at the configured mount is not a key-value engine of version 2.",
  foreign: "What the store holds under this version is not what Keyhold wrote.",
  read_only: "The store is read-only.",
  invalid: "The store does not take what Keyhold sent: it is too large, or the store is set up otherwise.",
} as const;
export type DeniedReason = keyof typeof deniedReasons;

export type Unavailable = Readonly<{ outcome: "unavailable"; reason: UnavailableReason }>;
export type Denied = Readonly<{ outcome: "denied"; reason: DeniedReason }>;

export function unavailable(reason: UnavailableReason): Unavailable {
  return { outcome: "unavailable", reason };
}

export function denied(reason: DeniedReason): Denied {
  return { outcome: "denied", reason };
}

/**
 * A failure of a remote system. At the edge of a store it becomes an answer. It contains no text of the
 * server.
 */
export class StoreTrouble extends Error {
  override readonly name = "StoreTrouble";
  readonly answer: Unavailable | Denied;

  constructor(answer: Unavailable | Denied) {
    super(`${answer.outcome}: ${answer.reason}`);
    this.answer = answer;
  }
}

/** Whether the answer is indefinite, so that another attempt may succeed. */
export function isUnavailable(error: unknown): error is StoreTrouble {
  return error instanceof StoreTrouble && error.answer.outcome === "unavailable";
}

export function throwUnavailable(reason: UnavailableReason): never {
  throw new StoreTrouble(unavailable(reason));
}

export function throwDenied(reason: DeniedReason): never {
  throw new StoreTrouble(denied(reason));
}

/**
 * The edge of a store: returns what `work` returns, or its failure as an answer. Any other error is a bug and
 * is thrown.
 */
export async function answered<T>(work: () => Promise<T>): Promise<T | Unavailable | Denied> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof StoreTrouble) return error.answer;
    throw error;
  }
}

/**
 * Why no complete answer came over the network, by the error code. HTTP clients put the code of the system
 * into the cause.
 */
export function reasonOfNetworkError(error: unknown): UnavailableReason {
  // A signal throws the first when its time is over; some clients that it aborts throw the second.
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
