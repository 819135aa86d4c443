import { errorCodes, type FastifyError } from "fastify";
import { z } from "zod";
import { type ErrorCode, errors, KeyholdError } from "../errors.ts";
import { component } from "./schemas.ts";

export const problemType = "application/problem+json";

/**
 * An error as RFC 9457 describes it, with its facts as further members. `instance` identifies the request, so
 * that a caller can quote it to the operator.
 */
export function describeProblem(error: KeyholdError, requestId: string) {
  const { title } = errors[error.code];
  const { status } = error;
  const standard = {
    type: `/problems/${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.detail,
    instance: `urn:uuid:${requestId}`,
  };
  // Twice: the standard members come first, and no fact replaces one of them.
  return { ...standard, ...error.facts, ...standard };
}

/**
 * Refusals of the framework before a route runs. Its own messages quote the request, so none is passed on.
 */
const refusedByFramework: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ["too_large", "The body is longer than this service accepts."],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ["unsupported_media_type", "Send the body as application/json."],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ["malformed", "The body is not as long as its Content-Length says."],
  FST_ERR_CTP_EMPTY_JSON_BODY: ["malformed", "The body is empty."],
  FST_ERR_BAD_URL: ["malformed", "The path of the request is not a valid URL path."],
  FST_ERR_ASYNC_CONSTRAINT: ["malformed", "The request cannot be routed."],
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: ["unsupported_media_type", "Send the body as application/json."],
  FST_ERR_MAX_PARAM_LENGTH: ["not_found", "This path does not exist."],
};

/** The error that the caller sees. Anything that is not meant for callers becomes `internal`. */
export function publicError(error: unknown): KeyholdError {
  if (error instanceof KeyholdError) return error;
  const known = isFastifyError(error) ? refusedByFramework[error.code] : undefined;
  if (known !== undefined) return new KeyholdError(known[0], known[1], { cause: error });
  const status = statusOfRefusal(error);
  if (status !== null) return new FrameworkRefusal(status, error);
  if (isDatabaseAway(error)) {
    return new KeyholdError("not_ready", "The database cannot be reached. Try again in a moment.", {
      cause: error,
    });
  }
  return new KeyholdError(
    "internal",
    "The request failed because of an error in Keyhold. The operator can find it in the log by this id.",
    {
      cause: error,
    },
  );
}

/** A refusal of the framework or a plugin that is not in the table. It keeps its status. */
class FrameworkRefusal extends KeyholdError {
  readonly #status: number;

  constructor(status: number, cause: unknown) {
    const [code, detail] = wordsFor[status] ?? ["malformed", "The service does not accept this request."];
    super(code, detail, { cause });
    this.#status = status;
  }

  override get status(): number {
    return this.#status;
  }
}

const wordsFor: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  403: ["forbidden", "This path is not served."],
  404: ["not_found", "This path does not exist."],
  413: ["too_large", "The request is longer than this service accepts."],
  415: ["unsupported_media_type", "Send the body as application/json."],
  431: ["too_large", "The headers are longer than this service accepts."],
};

/**
 * The status, 400 to 499, of an error that fastify, its plugins or http-errors made about the request; `null`
 * for any other, so that the answer of a server that Keyhold called is not mistaken for its own.
 */
function statusOfRefusal(error: unknown): number | null {
  if (!(error instanceof Error) || !("statusCode" in error)) return null;
  const { statusCode } = error;
  const byFramework = "code" in error && typeof error.code === "string" && error.code.startsWith("FST_");
  const byHttpErrors = "expose" in error && typeof error.expose === "boolean";
  if (!(byFramework || byHttpErrors) || typeof statusCode !== "number") return null;
  return statusCode >= 400 && statusCode <= 499 ? statusCode : null;
}

function isFastifyError(error: unknown): error is FastifyError {
  return (
    error instanceof Error && "code" in error && typeof error.code === "string" && error.code in errorCodes
  );
}

/**
 * No connection (08), too many connections (53), the server is shutting down (57P), it has become a replica
 * (25006), a statement took too long (57014): all of these pass.
 */
const codesOfAbsence =
  /^(?:08...|53...|57P..|57014|25006|ECONN\w+|EHOST\w+|ENET\w+|ETIMEDOUT|ENOENT|ENOTFOUND|EAI_AGAIN|EPIPE|EADDRNOTAVAIL)$/;
/** Errors that pg throws without a code (pg 8: client.js, query.js; pg-pool: index.js). */
const wordsOfAbsence =
  /^(?:timeout exceeded when trying to connect|timeout expired|Connection terminated|Client (?:has encountered a connection error|was closed)|Query read timeout|Cannot use a pool after calling end|The server does not support SSL|There was an error establishing an SSL connection|Received unexpected )/;

function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("code" in error && typeof error.code === "string") return codesOfAbsence.test(error.code);
  return wordsOfAbsence.test(error.message);
}

const places: Readonly<Record<string, string>> = { params: "path" };

/**
 * The fields that are invalid, and what was expected. It repeats neither values nor names that the caller
 * chose.
 */
export function describeIssues(issues: readonly z.core.$ZodIssue[]): KeyholdError {
  const problems = issues.map(({ path, code, message }) => {
    const [place = "", ...within] = path.map(String);
    // The message of the library would repeat the names.
    const isQuoting = code === "unrecognized_keys" && message.startsWith("Unrecognized key");
    const expectation = isQuoting ? "has a field that is not known here" : message;
    return `${[places[place] ?? place, ...within].join(".")}: ${expectation.replace("Invalid input: ", "")}`;
  });
  return new KeyholdError("malformed", `The request does not fit: ${problems.slice(0, 5).join("; ")}.`, {
    facts: { errors: problems.slice(0, 50) },
  });
}

/** A problem document (RFC 9457); its further members are facts of the error. */
export const problemSchema = component(
  "Problem",
  z.looseObject({
    type: z.string().meta({ description: "Stable for each code" }),
    title: z.string(),
    status: z.int(),
    code: z.enum(Object.keys(errors)),
    detail: z.string().meta({ description: "What happened, and what to do about it" }),
    instance: z.string().meta({ description: "Identifies the request. Quote it to the operator" }),
    errors: z
      .array(z.string())
      .optional()
      .meta({ description: "For an invalid request: which fields are wrong, and what was expected" }),
  }),
  exampleOf("not_found"),
);

/** A problem of a code, for the document. */
export function exampleOf(code: ErrorCode) {
  const { status, title } = errors[code];
  const instance = "urn:uuid:0d3ff7c4-4b7a-4d8e-9a55-2f1f6f0f3c11";
  return { type: `/problems/${code}`, title, status, code, detail: `${title}.`, instance };
}
