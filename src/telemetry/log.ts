import { type DestinationStream, pino } from "pino";
import { reduceError } from "./reduce-error.ts";

/** The fields of a line beside its message. Any other field of a caller is dropped. */
const allowed = [
  "request_id",
  "method",
  "route",
  "status",
  "seconds",
  "code",
  "tenant_id",
  "principal",
  "credential_id",
  "venue",
  "store",
  "operation",
  "outcome",
  "reason",
  "job",
  "count",
  "issuer",
  "address",
  "port",
  "path",
  "variables",
  "version",
  "database",
  "stores",
  "keys",
  "issuers",
  "metrics",
  "next",
] as const;
const passing: ReadonlySet<string> = new Set(allowed);

export type LogFields = Readonly<
  Partial<Record<(typeof allowed)[number], string | number | boolean | null>> & { error?: unknown }
>;

/**
 * Messages are fixed texts; variable parts are fields. Bodies, headers and query strings have no field, so
 * they cannot be logged, and an error is reduced to parts that contain no value.
 */
export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** Writes one JSON object a line to `destination`, standard output when left out. */
export function createLog(
  level: "debug" | "info" | "warn" | "error" | "silent",
  destination?: DestinationStream,
): Log {
  const options = {
    level,
    base: null,
    messageKey: "message",
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const sink = pino(options, destination ?? standardOutput());
  return {
    debug: (message, fields) => sink.debug(pass(fields), message),
    info: (message, fields) => sink.info(pass(fields), message),
    warn: (message, fields) => sink.warn(pass(fields), message),
    error: (message, fields) => sink.error(pass(fields), message),
  };
}

/**
 * Lines of one turn of the event loop are written together, because a system call for each line costs more
 * than the line.
 */
function standardOutput(): DestinationStream {
  const output = pino.destination({ dest: 1, sync: true });
  let lines = "";
  const flush = (): void => {
    if (lines !== "") output.write(lines);
    lines = "";
  };
  process.once("exit", flush);
  return {
    write(line) {
      if (lines === "") setImmediate(flush);
      lines += line;
    },
  };
}

const longestText = 512;

/** Types do not stop a value that was `unknown` before, so names and kinds are checked once more here. */
function pass(fields: LogFields = {}): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  for (const [name, value] of Object.entries<unknown>(fields)) {
    if (!passing.has(name)) continue;
    if (typeof value === "string") line[name] = value.slice(0, longestText);
    else if (typeof value === "number" || typeof value === "boolean" || value === null) line[name] = value;
  }
  if (fields.error !== undefined) line["error"] = reduceError(fields.error);
  return line;
}
