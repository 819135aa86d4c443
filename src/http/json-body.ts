import { KeyholdError } from "../errors.ts";

const deepest = 16;
const mostKeys = 200;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * A request body as JSON, within limits of depth and size. Throws `malformed` without quoting the body, as
 * the parser's own message would.
 */
export function parseJson(body: Uint8Array): unknown {
  const text = decode(body);
  const keys = boundedKeys(body);
  const value = parse(text);
  const named = checkAndCount(value);
  // Each key has one colon. Fewer keys than colons means a duplicate key, of which two parsers may take
  // different values.
  if (named !== keys) throw malformed("A field appears twice.");
  return value;
}

function decode(body: Uint8Array): string {
  try {
    return utf8.decode(body);
  } catch {
    throw malformed("The body is not UTF-8.");
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw malformed("The body is not JSON.");
  }
}

const quote = 0x22;
const backslash = 0x5c;
const colon = 0x3a;
const opening = new Set([0x5b, 0x7b]);
const closing = new Set([0x5d, 0x7d]);

/** Counts keys and depth outside of strings, before the parser builds anything. */
function boundedKeys(body: Uint8Array): number {
  let depth = 0;
  let keys = 0;
  for (let at = 0; at < body.length; at += 1) {
    const byte = body[at] ?? 0;
    if (byte === quote) at = endOfText(body, at);
    else if (opening.has(byte)) depth += 1;
    else if (closing.has(byte)) depth -= 1;
    else if (byte === colon) keys += 1;
    if (depth > deepest) throw malformed(`The body is nested deeper than ${deepest} levels.`);
    if (keys > mostKeys) throw malformed(`The body has more than ${mostKeys} fields.`);
  }
  return keys;
}

function endOfText(body: Uint8Array, start: number): number {
  let at = start + 1;
  while (at < body.length && body[at] !== quote) at += body[at] === backslash ? 2 : 1;
  return at;
}

/** Refuses keys that could change a prototype, and text that the database cannot store. */
function checkAndCount(value: unknown): number {
  if (typeof value === "string") checkText(value);
  if (typeof value !== "object" || value === null) return 0;
  let keys = 0;
  for (const [key, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) keys += 1;
    if (key === "__proto__") throw malformed("A field has a name that is not allowed.");
    checkText(key);
    keys += checkAndCount(inner);
  }
  return keys;
}

/** PostgreSQL cannot store a zero character or half of a surrogate pair. */
function checkText(text: string): void {
  if (isStorable(text)) return;
  throw malformed("A text holds a character that cannot be stored.");
}

export function isStorable(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

function malformed(detail: string): KeyholdError {
  return new KeyholdError("malformed", detail);
}
