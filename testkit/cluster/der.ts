/** The parts of DER (X.690) that a certificate needs. */

const hex = (text: string): Buffer => Buffer.from(text, "hex");

/** Object identifiers of RFC 5280 and RFC 5758, with their tag. */
export const identifier = {
  ecdsaWithSha256: hex("06082a8648ce3d040302"),
  commonName: hex("0603550403"),
  subjectKeyIdentifier: hex("0603551d0e"),
  keyUsage: hex("0603551d0f"),
  subjectAltName: hex("0603551d11"),
  basicConstraints: hex("0603551d13"),
  authorityKeyIdentifier: hex("0603551d23"),
  extendedKeyUsage: hex("0603551d25"),
  serverAuth: hex("06082b06010505070301"),
} as const;

/** Tag, length, value. Throws for more than 65,535 bytes. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const value = Buffer.concat(parts);
  const { length } = value;
  if (length > 0xffff) throw new RangeError("a value of this length is not written here");
  const size =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), value]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(0x30, ...parts);
}

/** A constructed value with a tag that its place gives a meaning. */
export function contextual(number: number, ...parts: readonly Uint8Array[]): Buffer {
  return der(0xa0 + number, ...parts);
}

export function octets(value: Uint8Array): Buffer {
  return der(0x04, value);
}

/** Whole bytes, none of their bits unused. */
export function bits(value: Uint8Array): Buffer {
  return der(0x03, Buffer.of(0), value);
}

export function flag(value: boolean): Buffer {
  return der(0x01, Buffer.of(value ? 0xff : 0));
}

/** Years from 1950 to 2049. */
export function utcTime(milliseconds: number): Buffer {
  const digits = new Date(milliseconds).toISOString().replaceAll(/[-:T]/g, "").slice(2, 14);
  return der(0x17, Buffer.from(`${digits}Z`));
}
