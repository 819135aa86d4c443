const quote = 0x22;
const backslash = 0x5c;
const hexDigits = Buffer.from("0123456789abcdef");

/**
 * Writes UTF-8 text as a JSON string (RFC 8259 §7) without making a JavaScript string of it. Answers where it ends in `target`,
 * which needs room for six bytes a byte and two quotes.
 */
export function writeJsonText(target: Uint8Array, start: number, text: Uint8Array): number {
  let at = start;
  target[at++] = quote;
  for (const byte of text) {
    if (byte < 0x20) {
      target.set([backslash, 0x75, 0x30, 0x30, hexDigits[byte >> 4] ?? 0, hexDigits[byte & 15] ?? 0], at);
      at += 6;
    } else {
      if (byte === quote || byte === backslash) target[at++] = backslash;
      target[at++] = byte;
    }
  }
  target[at++] = quote;
  return at;
}
