const canonical = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export const uuidBytes = 16;

/** Throws `TypeError` unless `text` is a UUID in lower case: what is bound to bytes must have one spelling. */
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
