/**
 * Joins texts so that no two different lists give the same bytes: each text is preceded by its length in
 * bytes (UTF-8, 32-bit big-endian). Plain concatenation would let `"ab" + "c"` pass for `"a" + "bc"`.
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

const canonical = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const uuidBytes = 16;

/**
 * Throws `TypeError` unless `text` is a UUID in lower case, because what is bound to bytes must have one
 * spelling.
 */
export function assertUuid(text: string, name: string): void {
  if (!canonical.test(text)) throw new TypeError(`${name} must be a UUID in lower case`);
}

export function uuidToBytes(uuid: string): Uint8Array {
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}

export function uuidFromBytes(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Whether `bytes` starts with `prefix`. For a few bytes a loop is cheaper than a view and a native call. */
export function beginsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  for (let at = 0; at < prefix.length; at += 1) if (bytes[at] !== prefix[at]) return false;
  return true;
}
