import { type Dispatcher, errors, request } from "undici";
import { AddressRefused } from "./guard.ts";

/** The outcomes of an attempt: the only words about it in the log of deliveries. */
export type Outcome =
  | "delivered"
  | "redirected"
  | "gone"
  | "status_4xx"
  | "status_5xx"
  | "refused_address"
  | "timeout"
  | "tls"
  | "connection"
  | "malformed";

export type Sent = Readonly<{ outcome: Outcome; status: number | null }>;

/** How much of an answer is read, so that its connection can be reused; none of it is kept. */
const maxAnswerBytes = 64 * 1024;

/**
 * Sends a message once. Name look-up, connection, request and answer take at most `withinMs` together. The
 * status of the answer decides, whatever its body; a redirect counts as a failure.
 */
export async function send(
  dispatcher: Dispatcher,
  {
    url,
    headers,
    payload,
  }: Readonly<{ url: string; headers: Readonly<Record<string, string>>; payload: string }>,
  withinMs: number,
): Promise<Sent> {
  const signal = AbortSignal.timeout(withinMs);
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "keyhold", ...headers },
      body: payload,
      signal,
    });
    await body.dump({ limit: maxAnswerBytes, signal }).catch(() => undefined);
    return { outcome: outcomeOf(statusCode), status: statusCode };
  } catch (error) {
    return { outcome: signal.aborted ? "timeout" : reasonOf(error), status: null };
  }
}

function outcomeOf(status: number): Outcome {
  if (status >= 200 && status < 300) return "delivered";
  if (status >= 300 && status < 400) return "redirected";
  if (status === 410) return "gone";
  return status < 500 ? "status_4xx" : "status_5xx";
}

function reasonOf(error: unknown): Outcome {
  if (error instanceof AddressRefused) return "refused_address";
  const code = codeOf(error);
  if (/TIMEOUT|TIMEDOUT/.test(code)) return "timeout";
  // As OpenSSL, Node's verifier and Node's TLS name their errors.
  if (/^(ERR_(SSL|TLS)_|CERT_|UNABLE_TO_|(DEPTH_ZERO_)?SELF_SIGNED_|EPROTO)/.test(code)) return "tls";
  return isMalformed(error) ? "malformed" : "connection";
}

function isMalformed(error: unknown): boolean {
  return error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}
