import { KeyholdError } from "../errors.ts";

const deepest = 16;
const mostKeys = 200;
const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * A request body as JSON, bounded before and after it is parsed. Throws `malformed` without a word of what was sent: the parser's
 * own message would quote it.
 */
export function parseJson(body: Uint8Array): unknown {
  const text = decode(body);
  const keys = boundedKeys(body);
  const value = parse(text);
  const named = checkAndCount(value);
  // Each key has one colon; fewer keys than colons means that one was written twice, and two readers may take different ones.
  if (named !== keys) throw malformed("A field is written twice.");
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

/** Counts keys and depth outside of texts, before the parser builds anything. */
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

/** Refuses what could change an object's nature, and text that the database cannot hold. */
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

/** PostgreSQL holds neither a zero character nor half of a surrogate pair; what it stored would be another text. */
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
