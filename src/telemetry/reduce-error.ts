import { DatabaseError } from "pg";
import { KeyholdError, StartError } from "../errors.ts";

type ReducedError = Readonly<{
  type: string;
  code?: string;
  message?: string;
  database?: Readonly<Record<string, string | undefined>>;
  stack?: string;
  cause?: ReducedError;
}>;

const mostFrames = 12;
const deepestCause = 3;

/**
 * An error without values. Only messages of this service itself are kept, because those of a parser, a driver
 * or an HTTP client quote their input. The frames of the stack are kept, but not its first lines, which
 * repeat the message.
 */
export function reduceError(error: unknown, depth = 0): ReducedError {
  if (!(error instanceof Error)) return { type: typeof error };
  const database = scrubDatabaseError(error);
  return {
    type: word(error.name) ?? "Error",
    ...some("code", word("code" in error ? error.code : undefined)),
    ...some("message", safeMessage(error)),
    ...(database === null ? {} : { database: { ...database } }),
    ...some("stack", frames(error.stack)),
    ...(error.cause === undefined || depth >= deepestCause
      ? {}
      : { cause: reduceError(error.cause, depth + 1) }),
  };
}

function safeMessage(error: Error): string | undefined {
  return error instanceof KeyholdError || error instanceof StartError ? error.message : undefined;
}

/** Names and codes are identifiers; any other text is dropped. */
function word(value: unknown): string | undefined {
  return typeof value === "string" && /^\w{1,64}$/.test(value) ? value : undefined;
}

function frames(stack: string | undefined): string | undefined {
  const lines = stack?.split("\n").filter((line) => /^\s+at .*[:(]/.test(line)) ?? [];
  return lines.length === 0 ? undefined : lines.slice(0, mostFrames).join("\n");
}

function some<Name extends string>(name: Name, value: string | undefined): Partial<Record<Name, string>> {
  const entry: Partial<Record<Name, string>> = {};
  if (value !== undefined) entry[name] = value;
  return entry;
}

/**
 * The facts of a PostgreSQL error that contain no value of a row; null for any other error. Message, detail,
 * where and internalQuery are left out, because they quote values: `Key (label)=(…) already exists`, `invalid
 * input syntax for … "…"`.
 */
export function scrubDatabaseError(error: unknown): Readonly<{
  code: string | undefined;
  severity: string | undefined;
  table: string | undefined;
  constraint: string | undefined;
  routine: string | undefined;
}> | null {
  if (!(error instanceof DatabaseError)) return null;
  const { code, severity, table, constraint, routine } = error;
  return { code, severity, table, constraint, routine };
}
