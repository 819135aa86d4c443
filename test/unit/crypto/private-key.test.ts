import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";
import { describe, expect, test } from "vitest";
import { isBareKey, withKey } from "../../../src/crypto/private-key.ts";

/** The kind of the key that is lent, what is wrong with it, or that there is none. */
const readingOf = (text: string, bare = false): string => {
  const reading = withKey(Buffer.from(text), ({ kind }) => kind, { bare });
  return typeof reading === "object" ? reading.fault : (reading ?? "no key");
};
const isSafe = (text: string, bare = false): boolean =>
  ["Ed25519", "P-256", "RSA", "no key"].includes(readingOf(text, bare));
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
  ])("%s", (name, text) => {
    expect(name).toContain(readingOf(text));
  });

  test("base64 without its PEM lines, where a venue hands keys out so", () => {
    expect(readingOf(bare(rsa(2048)), true)).toBe("RSA");
    expect(readingOf(bare(generateKeyPairSync("ed25519").privateKey), true)).toBe("Ed25519");
  });

  test.each([
    ["Windows line breaks", (text: string) => text.replaceAll("\n", "\r\n")],
    ["line breaks written as \\n", (text: string) => text.replaceAll("\n", String.raw`\n`)],
    ["blanks for line breaks", (text: string) => text.replaceAll("\n", " ")],
    ["no last line break", (text: string) => text.trimEnd()],
    ["several last line breaks", (text: string) => `${text}\n\n`],
    ["line breaks written as \\r\\n", (text: string) => text.replaceAll("\n", String.raw`\r\n`)],
    ["line breaks that were escaped twice", (text: string) => text.replaceAll("\n", String.raw`\\n`)],
    ["empty lines between its lines", (text: string) => text.replaceAll("\n", "\r\n\r\n")],
    ["indented lines", (text: string) => text.replaceAll("\n", "\n\t  ")],
    ["a backslash at the end of each line", (text: string) => text.replaceAll("\n", "\\\n")],
    ["all on one line", (text: string) => text.replaceAll("\n", "")],
    ["quotes around it", (text: string) => JSON.stringify(text)],
    ["a byte order mark", (text: string) => `\uFEFF${text}`],
    ["words before and after it", (text: string) => `Bag Attributes\n  friendlyName: é\n${text}the end`],
    [
      "the parameters of its curve before it",
      (text: string) => `${block("EC PARAMETERS", randomBytes(10))}\n${text}`,
    ],
    ["its certificate behind it", (text: string) => `${text}\n${block("CERTIFICATE", randomBytes(99))}`],
    ["its public key before it", (text: string) => `${block("PUBLIC KEY", randomBytes(91))}${text}`],
  ])("with %s", (_, paste) => {
    for (const [kind, key] of [
      ["RSA", rsa(2048)],
      ["P-256", ec("prime256v1")],
    ] as const)
      expect(readingOf(paste(pem(key)))).toBe(kind);
  });

  test.each([
    [
      "SEC 1 under the label of PKCS#8",
      pem(ec("prime256v1"), "sec1").replaceAll("EC PRIVATE", "PRIVATE"),
      "P-256",
    ],
    ["PKCS#8 under the label of SEC 1", pem(ec("prime256v1")).replaceAll("PRIVATE", "EC PRIVATE"), "P-256"],
    ["PKCS#1 under the label of PKCS#8", pem(rsa(2048), "pkcs1").replaceAll("RSA PRIVATE", "PRIVATE"), "RSA"],
    [
      "with attributes, as Windows exports it",
      block("PRIVATE KEY", pkcs8(rsaKind, rsaOf({}), element(0xa0, element(0x30)))),
      "RSA",
    ],
  ])("%s", (_, text, kind) => {
    expect(readingOf(text)).toBe(kind);
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
    ["of RSA-PSS", pem(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).privateKey)],
    ["of DSA", pem(generateKeyPairSync("dsa", { modulusLength: 2048 }).privateKey)],
    ["of Diffie-Hellman", block("PRIVATE KEY", pkcs8("2a864886f70d010301", integer(4000)))],
    ["of X25519", pem(generateKeyPairSync("x25519").privateKey)],
    ["of Ed448", pem(generateKeyPairSync("ed448").privateKey)],
    ["of P-384", pem(ec("secp384r1"))],
    ["of a binary curve", pem(ec("sect571r1"), "sec1")],
    ["of P-256 with the curve in full", pem(ec("prime256v1", "explicit"))],
    ["of P-256 with the curve in full, as SEC 1", pem(ec("prime256v1", "explicit"), "sec1")],
    ["that is encrypted", rsa(2048).export(encrypted("pkcs8"))],
    ["that is encrypted by headers", rsa(2048).export(encrypted("pkcs1"))],
    ["before another", `${accepted}${accepted}`],
    ["that is cut off", accepted.slice(0, -40)],
    ["with a line that is no base64", accepted.replace("\n", "\nProc-Type: 4,ENCRYPTED\n")],
    ["whose DER has a tail", block("PRIVATE KEY", Buffer.concat([pkcs8(rsaKind, rsaOf({})), element(4)]))],
    ["as more hexadecimal digits than any key has", `0x${"f".repeat(1023)}`],
    ["as a text of 1025 bytes", "7".repeat(1025)],
  ])("%s", (_, text) => {
    expect(isSafe(text)).toBe(false);
  });

  test("without its PEM lines where its numbers are too large", () => {
    expect(isSafe(pkcs8(rsaKind, rsaOf({ n: 16_000 })).toString("base64"), true)).toBe(false);
    expect(isSafe(rsaOf({ e: 40 }).toString("base64"), true)).toBe(false);
    expect(isSafe(rsaOf({}).toString("base64"), true)).toBe(true);
  });

  test("that a library could cut out of a text", () => {
    expect(isSafe(accepted.replace("-----BEGIN", "----BEGIN"))).toBe(false);
    expect(isSafe("PRIVATE KEY")).toBe(false);
    expect(isSafe("the key of my private account")).toBe(true);
  });
});

describe("it is told why", () => {
  const key = ec("prime256v1");
  const publicPem = createPublicKey(pem(key)).export({ format: "pem", type: "spki" });
  test.each([
    ["of an encrypted key", key.export(encrypted("pkcs8")), "take the passphrase off"],
    [
      "of a key that is encrypted by headers",
      rsa(2048).export(encrypted("pkcs1")),
      "take the passphrase off",
    ],
    ["of a public key", publicPem, "is a public key"],
    ["of a certificate", block("CERTIFICATE", randomBytes(300)), "is a certificate"],
    ["of a key of OpenSSH", block("OPENSSH PRIVATE KEY", randomBytes(300)), "ssh-keygen -p -m pkcs8"],
    ["of a key without its last line", pem(key).replace(/-----END.*/, ""), "cut off: its END line"],
    [
      "of a key with another last line",
      pem(key).replace("END PRIVATE", "END EC PRIVATE"),
      "not that of its BEGIN",
    ],
    ["of a key without its first line", pem(key).replace(/-----BEGIN.*-----/, ""), "without its BEGIN line"],
    ["of dashes that a word processor changed", pem(key).replaceAll("-----", "—"), "BEGIN line is damaged"],
    [
      "of a lost character",
      pem(key).replace("\nM", "\n"),
      "characters between its BEGIN and END lines are missing",
    ],
    [
      "of a lost line",
      pem(rsa(2048)).replace(/\n.{64}\n.{64}\n/, "\n"),
      "is missing|no private key|are missing",
    ],
    [
      "of the missing half",
      block("PRIVATE KEY", key.export({ format: "der", type: "pkcs8" }).subarray(0, 60)),
      "are missing",
    ],
    ["of characters in it", pem(key).replace("\nM", "\nM…"), "are not base64"],
    ["of two keys", `${pem(key)}${pem(rsa(2048))}`, "more than one private key"],
    ["of another curve", pem(ec("secp256k1")), "another curve than P-256"],
    ["of another algorithm", pem(generateKeyPairSync("ed448").privateKey), "neither an Ed25519 key"],
    [
      "of another size",
      block("RSA PRIVATE KEY", rsaOf({ n: 1024, d: 1024, p: 512, q: 512, rest: 511 })),
      "another size",
    ],
  ])("%s", (_, text, told) => {
    expect(readingOf(text)).toMatch(new RegExp(told));
  });
});

test.each([
  ["base64", (der: Buffer) => der.toString("base64")],
  ["base64 in lines", (der: Buffer) => der.toString("base64").replaceAll(/.{64}/g, "$&\n")],
  ["hexadecimal", (der: Buffer) => der.toString("hex")],
])("a key in %s without its PEM lines is recognised as one", (_, write) => {
  for (const [key, type] of [
    [rsa(2048), "pkcs1"],
    [ec("prime256v1"), "sec1"],
    [ec("prime256v1"), "pkcs8"],
  ] as const)
    expect(isBareKey(Buffer.from(write(key.export({ format: "der", type }))))).toBe(true);
  expect(isBareKey(Buffer.from(write(randomBytes(48))))).toBe(false);
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
