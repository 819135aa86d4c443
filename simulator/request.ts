import type { Environment } from "./accounts.ts";
import { Refused } from "./refusal.ts";

/** A request as it came over the wire: nothing decoded, because signatures cover the bytes that were sent. */
export type WireRequest = Readonly<{
  method: string;
  path: string;
  /** Without its question mark; empty when there is none. */
  query: string;
  body: string;
  headers: Readonly<Record<string, string>>;
  /** The client's address. */
  address: string;
  environment: Environment;
}>;

/** Names in lower case; a header that was not sent is empty. */
export const header = (request: WireRequest, name: string): string => request.headers[name] ?? "";

/**
 * A query as it reads without its encoding; throws `Refused("malformed_request")` where it cannot be read.
 */
export function decoded(query: string): string {
  try {
    return decodeURIComponent(query);
  } catch {
    throw new Refused("malformed_request");
  }
}

/** The JSON object in the body; throws `Refused("malformed_request")` for anything else. */
export function jsonBody(request: WireRequest): Readonly<Record<string, unknown>> {
  if (request.body === "") return {};
  try {
    const value: unknown = JSON.parse(request.body);
    if (isRecord(value)) return value;
  } catch {
    // Not JSON at all: refused below, like JSON that is no object.
  }
  throw new Refused("malformed_request");
}

/** The one object in the body, alone or in an array of its own: some venues take orders only in batches. */
export function onlyItem(request: WireRequest): Readonly<Record<string, unknown>> {
  if (!request.body.startsWith("[")) return jsonBody(request);
  const { items } = jsonBody({ ...request, body: `{"items":${request.body}}` });
  if (Array.isArray(items) && items.length === 1 && isRecord(items[0])) return items[0];
  throw new Refused("malformed_request");
}

export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** A text, a number or a truth value as text; `undefined` for anything else. */
export const asText = (value: unknown): string | undefined =>
  typeof value === "string"
    ? value
    : typeof value === "number" || typeof value === "boolean"
      ? String(value)
      : undefined;

/** How a client sends a parameter that it does not use. */
const unset: readonly string[] = ["", "0", "false", "none"];

/**
 * Throws `Refused("malformed_request")` where one of these parameters is set in an order: each would change
 * what becomes of it, in a way that is not simulated, and an order without it would be another order.
 */
export function refuseParameters(order: Readonly<Record<string, unknown>>, names: readonly string[]): void {
  const isSet = (value: unknown): boolean =>
    value !== undefined && value !== null && !unset.includes(asText(value) ?? "set");
  if (names.some((name) => isSet(order[name]))) throw new Refused("malformed_request");
}

/**
 * Parameters by name, from wherever this request carries them: query, form body or the top of a JSON body.
 */
export function parameters(request: WireRequest): ReadonlyMap<string, string> {
  const found = new Map(new URLSearchParams(request.query));
  if (header(request, "content-type").includes("json")) {
    for (const [name, value] of Object.entries(jsonBody(request))) {
      const text = asText(value);
      if (text !== undefined) found.set(name, text);
    }
  } else for (const [name, value] of new URLSearchParams(request.body)) found.set(name, value);
  return found;
}
