import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { isSafeMaterial } from "../../../src/crypto/private-key.ts";

const isSafe = (text: string): boolean => isSafeMaterial(Buffer.from(text));
const rsa = (modulusLength: number, publicExponent = 65_537): KeyObject =>
  generateKeyPairSync("rsa", { modulusLength, publicExponent }).privateKey;
const ec = (namedCurve: string, paramEncoding: "named" | "explicit" = "named"): KeyObject => {
  const { privateKey } = generateKeyPairSync("ec", {
    namedCurve,
    paramEncoding,
    publicKeyEncoding: { format: "pem", type: "spki" },
    privateKeyEncoding: { format: "pem", type: "pkcs8" },
  });
  return createPrivateKey(privateKey);
};
const pem = (key: KeyObject, type: "pkcs1" | "pkcs8" | "sec1" = "pkcs8"): string =>
  key.export({ format: "pem", type });
const bare = (key: KeyObject): string => key.export({ format: "der", type: "pkcs8" }).toString("base64");

/** DER with any content, as an attacker writes it. */
const element = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
};
const integer = (bits: number): Buffer => {
  if (bits === 0) return element(2, Buffer.from([0]));
  const bytes = randomBytes(Math.ceil(bits / 8));
  bytes[0] = 1 << ((bits - 1) % 8);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) | 1;
  return element(2, bits % 8 === 0 ? Buffer.concat([Buffer.alloc(1), bytes]) : bytes);
};
type Sizes = Readonly<{ n?: number; e?: number; d?: number; p?: number; q?: number; rest?: number }>;
const rsaOf = ({ n = 2048, e = 17, d = 2048, p = 1024, q = 1024, rest = 1023 }: Sizes, version = 0): Buffer =>
  element(
    0x30,
    element(2, Buffer.from([version])),
    ...[n, e, d, p, q, rest, rest, rest].map(integer),
    ...(version === 0 ? [] : [element(0x30, element(0x30, integer(512), integer(512), integer(512)))]),
  );
const block = (label: string, der: Uint8Array): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(der).toString("base64").replaceAll(/.{64}/g, "$&\n")}\n-----END ${label}-----`;
const pkcs8 = (kind: string, key: Uint8Array, ...behind: readonly Uint8Array[]): Buffer =>
  element(
    0x30,
    element(2, Buffer.from([0])),
    element(0x30, element(6, Buffer.from(kind, "hex")), element(5)),
    element(4, key),
    ...behind,
  );
const rsaKind = "2a864886f70d010101";

describe("a private key that signs in bounded time is accepted", () => {
  test.each([
    ["RSA of 2048 bits", pem(rsa(2048))],
    ["RSA of 3072 bits as PKCS#1", pem(rsa(3072), "pkcs1")],
    ["RSA of 4096 bits", pem(rsa(4096))],
    ["RSA with the exponent 3", pem(rsa(2048, 3))],
    ["RSA with the largest exponent of 32 bits", pem(rsa(2048, 0xffff_ffff))],
    ["P-256 as PKCS#8", pem(ec("prime256v1"))],
    ["P-256 as SEC 1", pem(ec("prime256v1"), "sec1")],
    ["Ed25519", pem(generateKeyPairSync("ed25519").privateKey)],
    ["base64 without its PEM lines", bare(rsa(2048))],
  ])("%s", (_, text) => {
    expect(isSafe(text)).toBe(true);
  });

  test.each([
    ["Windows line breaks", (text: string) => text.replaceAll("\n", "\r\n")],
    ["line breaks written as \\n", (text: string) => text.replaceAll("\n", String.raw`\n`)],
    ["blanks for line breaks", (text: string) => text.replaceAll("\n", " ")],
    ["no last line break", (text: string) => text.trimEnd()],
    ["several last line breaks", (text: string) => `${text}\n\n`],
  ])("with %s", (_, paste) => {
    for (const key of [rsa(2048), ec("prime256v1")]) expect(isSafe(paste(pem(key)))).toBe(true);
  });
});

describe("a private key is refused", () => {
  const accepted = pem(rsa(2048));
  test.each([
    ["of RSA below 2048 bits", pem(rsa(2040))],
    ["of RSA above 4096 bits", block("RSA PRIVATE KEY", rsaOf({ n: 4097, d: 4096, p: 2049, q: 2048 }))],
    ["of RSA with an exponent of 33 bits", block("RSA PRIVATE KEY", rsaOf({ e: 33 }))],
    ["of RSA with an exponent as long as the modulus", block("RSA PRIVATE KEY", rsaOf({ e: 2047 }))],
    ["of RSA with a private exponent above the modulus", block("RSA PRIVATE KEY", rsaOf({ d: 30_000 }))],
    ["of RSA with an even modulus", block("RSA PRIVATE KEY", Buffer.from(evenModulus()))],
    ["of RSA without primes", block("RSA PRIVATE KEY", rsaOf({ p: 0, q: 0, rest: 0 }))],
    ["of RSA with primes of another modulus", block("RSA PRIVATE KEY", rsaOf({ p: 64, q: 64 }))],
    ["of RSA with huge short cuts", block("RSA PRIVATE KEY", rsaOf({ rest: 9000 }))],
    ["of RSA with three primes", block("RSA PRIVATE KEY", rsaOf({}, 1))],
    ["of RSA within PKCS#8, of 12,000 bits", block("PRIVATE KEY", pkcs8(rsaKind, rsaOf({ n: 12_000 })))],
    ["with attributes", block("PRIVATE KEY", pkcs8(rsaKind, rsaOf({}), element(0xa0, rsaOf({ n: 9000 }))))],
    ["of RSA-PSS", pem(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey)],
    ["of DSA", pem(generateKeyPairSync("dsa", { modulusLength: 2048 }).privateKey)],
    ["of Diffie-Hellman", block("PRIVATE KEY", pkcs8("2a864886f70d010301", integer(4000)))],
    ["of X25519", pem(generateKeyPairSync("x25519").privateKey)],
    ["of Ed448", pem(generateKeyPairSync("ed448").privateKey)],
    ["of P-384", pem(ec("secp384r1"))],
    ["of a binary curve", pem(ec("sect571r1"), "sec1")],
    ["of P-256 with the curve in full", pem(ec("prime256v1", "explicit"))],
    ["of P-256 with the curve in full, as SEC 1", pem(ec("prime256v1", "explicit"), "sec1")],
    ["under another label", accepted.replaceAll("PRIVATE KEY", "RSA-PSS PRIVATE KEY")],
    ["under the label of another form", accepted.replaceAll("PRIVATE KEY", "RSA PRIVATE KEY")],
    ["that is encrypted", rsa(2048).export(encrypted("pkcs8"))],
    ["that is encrypted by headers", rsa(2048).export(encrypted("pkcs1"))],
    ["behind a text", `my key:\n${accepted}`],
    ["behind a blank", ` ${accepted}`],
    ["before another", `${accepted}${accepted}`],
    [
      "behind the parameters of a curve",
      `${block("EC PARAMETERS", randomBytes(9))}\n${pem(ec("prime256v1"), "sec1")}`,
    ],
    ["that is cut off", accepted.slice(0, -40)],
    ["with a line that is no base64", accepted.replace("\n", "\nProc-Type: 4,ENCRYPTED\n")],
    ["whose DER has a tail", block("PRIVATE KEY", Buffer.concat([pkcs8(rsaKind, rsaOf({})), element(4)]))],
    [
      "without its PEM lines when it is not accepted",
      pkcs8(rsaKind, rsaOf({ n: 16_000 })).toString("base64"),
    ],
    ["without its PEM lines as PKCS#1", rsaOf({}).toString("base64")],
    ["as more hexadecimal digits than any key has", `0x${"f".repeat(1023)}`],
    ["as a text of 1025 bytes", "7".repeat(1025)],
  ])("%s", (_, text) => {
    expect(isSafe(text)).toBe(false);
  });

  test("that OpenSSL finds behind an empty line", () => {
    const hidden = rsaOf({ n: 5000, d: 5000, p: 2500, q: 2500, rest: 2499 });
    const whole = pkcs8(rsaKind, rsaOf({}), element(0xa0, hidden));
    const before = whole.subarray(0, whole.byteLength - hidden.byteLength);
    const text = `-----BEGIN RSA PRIVATE KEY-----\n${before.toString("base64")}\n\n${hidden.toString("base64")}\n-----END RSA PRIVATE KEY-----`;
    expect(isSafe(text)).toBe(false);
    const split = accepted.replace("\n", "\n\n");
    expect(isSafe(split)).toBe(false);
    expect(isSafe(accepted)).toBe(true);
  });

  test("that a library could cut out of a text", () => {
    expect(isSafe(`{"key":"${accepted}"}`)).toBe(false);
    expect(isSafe("PRIVATE KEY")).toBe(false);
    expect(isSafe("the key of my private account")).toBe(true);
  });
});

test("what is accepted, OpenSSL reads, and with no more than 4096 bits", () => {
  for (const text of [pem(rsa(2048)), pem(rsa(4096), "pkcs1"), pem(ec("prime256v1"), "sec1")]) {
    expect(isSafe(text)).toBe(true);
    const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(text);
    expect(["rsa", "ec"]).toContain(asymmetricKeyType);
    expect(asymmetricKeyDetails?.modulusLength ?? 2048).toBeLessThanOrEqual(4096);
  }
});

test("no byte of a key can be changed into one that makes it larger", () => {
  const der = rsa(2048).export({ format: "der", type: "pkcs1" });
  for (let at = 0; at < 40; at += 1) {
    for (const byte of [0, 1, 0x7f, 0x80, 0x82, 0x84, 0xff]) {
      const changed = Buffer.from(der);
      changed[at] = byte;
      if (isSafe(block("RSA PRIVATE KEY", changed))) expect(sizeOf(changed)).toBeLessThanOrEqual(4096);
    }
  }
});

function sizeOf(der: Buffer): number {
  const { asymmetricKeyDetails } = createPrivateKey({ key: der, format: "der", type: "pkcs1" });
  return asymmetricKeyDetails?.modulusLength ?? 0;
}

function evenModulus(): Buffer {
  const der = rsaOf({});
  // Sequence header 4, version 3, integer header 4, a zero byte and 256 of the modulus.
  const last = 4 + 3 + 4 + 256;
  der[last] = (der[last] ?? 0) & 0xfe;
  return der;
}

function encrypted<T extends "pkcs1" | "pkcs8">(type: T) {
  return { format: "pem", type, cipher: "aes-256-cbc", passphrase: "words" } as const;
}
