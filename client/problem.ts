import type { Problem } from "./api.ts";

/** A code of this version of the API, or one that a newer service has added. */
export type ProblemCode = Problem["code"] | (string & Record<never, never>);

/**
 * A response that is not a success: a problem document (RFC 9457) of the service, or the response of a proxy
 * or gateway in between. Its text never contains a secret.
 */
export class KeyholdProblem extends Error {
  override readonly name = "KeyholdProblem";
  readonly status: number;
  /** What kind of problem it is; `null` if the answer is not one of Keyhold's. */
  readonly code: ProblemCode | null;
  /** The kind in words, the same for every problem of one code. */
  readonly title: string;
  /** What happened, and what to do about it. */
  readonly detail: string;
  /** Names the request: the operator finds it in the log of the service by this. */
  readonly requestId: string | null;
  /** For a request that does not fit: where, and what was expected, such as `body.label: Too long`. */
  readonly errors: readonly string[];
  /** When to send the request again, in seconds from now; `null` if the service does not say. */
  readonly retryAfter: number | null;
  /** All members of the document; some codes have further ones, such as the `outcome` at a venue. */
  readonly document: Readonly<Record<string, unknown>>;

  constructor(response: Response, document: Readonly<Record<string, unknown>>) {
    const { code, title, detail, instance, errors } = document;
    const isKeyholds = isText(code) && isText(title) && isText(detail);
    super(isKeyholds ? `${title} (${code}): ${detail}` : `an answer with status ${response.status}`);
    this.status = response.status;
    this.code = isKeyholds ? code : null;
    this.title = isText(title) ? title : "This is no answer of Keyhold";
    this.detail = isText(detail) ? detail : `${response.url} answered ${response.status}.`;
    this.requestId = isText(instance) ? instance : null;
    this.errors = Array.isArray(errors) ? errors.filter(isText) : [];
    this.retryAfter = secondsOf(response.headers);
    this.document = document;
  }

  /**
   * Whether the same request may succeed later. A change is sent again under the Idempotency-Key of its first
   * attempt.
   */
  get isTemporary(): boolean {
    return this.status === 429 || this.status >= 500 || this.code === "idempotency_in_flight";
  }
}

/** Reads the body. What is not a JSON object becomes a problem without a code. */
export async function problemOf(response: Response): Promise<KeyholdProblem> {
  const document: unknown = await response.json().catch(() => undefined);
  return new KeyholdProblem(response, isObject(document) ? document : {});
}

/** The seconds of `Retry-After`, which the service never writes as a date. */
export function secondsOf(headers: Headers): number | null {
  const text = headers.get("retry-after");
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : null;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
