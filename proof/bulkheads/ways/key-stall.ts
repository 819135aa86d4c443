import { randomBytes } from "node:crypto";
import { repeat } from "../attacker.ts";
import type { Way } from "../way.ts";

/** The default limit lets a tenant send this often and more. */
const everyMs = 4_000;

/** Key material with which signing takes the processor many seconds. */
export const keyStall: Way = {
  name: "key-stall",
  does: "has requests signed with an RSA key of 24,000 bits",
  first: "key material is bounded before it signs",
  second: "a venue process that no longer turns is replaced, and its tenant is kept apart",
  seconds: 45,
  flaw: "signs-with-any-key",
  prepare: () => Promise.resolve(),
  attack({ attacker }, until) {
    const pem = slowKey();
    const send = () => attacker.validate("binance", { api_key: "x".repeat(64), api_secret: pem });
    return repeat(everyMs, until, send);
  },
  /** A call that holds its process for as long as such a key does. */
  planted: ({ attacker }, until) =>
    repeat(everyMs, until, () => attacker.validate("massive", { api_key: "spin-20000" })),
};

/**
 * A PKCS#1 RSAPrivateKey (RFC 8017, A.1.2) of random numbers without the primes, so that OpenSSL can take no short cut; the public
 * exponent is nearly as long as the modulus, which makes blinding as dear as signing.
 */
function slowKey(): string {
  const zero = integer(Buffer.from([0]));
  const modulus = randomBytes(3_000);
  const [privateExponent, publicExponent] = [randomBytes(32), randomBytes(2_950)];
  for (const number of [modulus, privateExponent, publicExponent]) makeOddAndLong(number);
  const numbers = [modulus, publicExponent, privateExponent].map(integer);
  const der = tagged(0x30, Buffer.concat([zero, ...numbers, zero, zero, zero, zero, zero]));
  const label = ["RSA", "PRIVATE", "KEY"].join(" ");
  return `-----BEGIN ${label}-----\n${der.toString("base64")}\n-----END ${label}-----`;
}

function makeOddAndLong(number: Buffer): void {
  number[0] = (number[0] ?? 0) | 0x80;
  const last = number.length - 1;
  number[last] = (number[last] ?? 0) | 1;
}

/** A DER integer (X.690, 8.3): a leading zero keeps it positive. */
function integer(number: Buffer): Buffer {
  const isNegative = ((number[0] ?? 0) & 0x80) !== 0;
  return tagged(2, isNegative ? Buffer.concat([Buffer.from([0]), number]) : number);
}

function tagged(tag: number, content: Buffer): Buffer {
  const length = content.length;
  const head = length < 128 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), content]);
}
