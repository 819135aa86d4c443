/**
 * Joins texts so that no two different lists give the same bytes: each text is preceded by its length in bytes
 * (UTF-8, 32-bit big-endian). Plain concatenation would let `"ab" + "c"` pass for `"a" + "bc"`.
 */
export function lengthPrefixed(parts: readonly string[]): Uint8Array {
  let size = 0;
  for (const part of parts) size += 4 + Buffer.byteLength(part);
  const joined = Buffer.allocUnsafe(size);
  let at = 0;
  for (const part of parts) {
    const length = joined.write(part, at + 4);
    joined.writeUInt32BE(length, at);
    at += 4 + length;
  }
  return joined;
}
