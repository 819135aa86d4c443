import { createCipheriv, hkdfSync, randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { decrypt } from "../../../src/crypto/aes-gcm.ts";
import { lengthPrefixed } from "../../../src/crypto/bytes.ts";
import { EnvelopeError, seal } from "../../../src/crypto/envelope.ts";
import { Secret } from "../../../src/crypto/secret.ts";
import { failureOf, knownKey, openText, someContext } from "./samples.ts";

// Two data keys with one id, both known to the forger, who wants one sealed value that opens under both.
const context = someContext();
const id = randomUUID();
const [first, second] = [knownKey(id), knownKey(id)];
const info = lengthPrefixed([
  "keyhold/envelope/1",
  context.tenantId,
  context.credentialId,
  String(context.version),
  context.field,
  id,
]);
const salt = randomBytes(32);
const nonce = randomBytes(12);
const [one, two] = [derive(first.material), derive(second.material)];
const collision = collide(one.encryption, two.encryption);

test("control: bare AES-GCM opens the forged ciphertext under both keys, to different plaintexts", () => {
  const plaintexts = [one, two].map(({ encryption }) => decrypt(encryption, nonce, info, collision));
  expect(plaintexts).toEqual([expect.any(Buffer), expect.any(Buffer)]);
  expect(plaintexts[0]).not.toEqual(plaintexts[1]);
});

test("in an envelope the forged ciphertext opens only under the key that it commits to", () => {
  for (const [committed, other, commitment] of [
    [first.key, second.key, one.commitment],
    [second.key, first.key, two.commitment],
  ] as const) {
    const forged = envelope(commitment);
    expect(failureOf(() => openText(committed, context, forged))).toBeUndefined();
    expect(failureOf(() => openText(other, context, forged))).toBeInstanceOf(EnvelopeError);
  }
});

test("an envelope whose commitment was altered is refused although its ciphertext is authentic", () => {
  expect(failureOf(() => openText(first.key, context, envelope(randomBytes(32))))).toBeInstanceOf(
    EnvelopeError,
  );
});

function derive(material: Buffer): { encryption: Buffer; commitment: Buffer } {
  const derived = Buffer.from(hkdfSync("sha512", material, salt, info, 64));
  return { encryption: derived.subarray(0, 32), commitment: derived.subarray(32) };
}

function envelope(commitment: Buffer): Buffer {
  using plaintext = Secret.fromText("");
  const header = Buffer.from(seal(first.key, context, plaintext)).subarray(0, 22);
  return Buffer.concat([header, salt, commitment, nonce, collision]);
}

/**
 * A ciphertext of two blocks and a tag that authenticates under both keys. The tag is linear in each ciphertext
 * block, GHASH = A·H⁴ ⊕ … ⊕ c₁·H³ ⊕ c₂·H² ⊕ lengths·H, so one block can be chosen to make the two tags equal
 * (NIST SP 800-38D §6.4; the attack: Grubbs, Lu, Ristenpart, “Message Franking via Committing Authenticated Encryption”).
 */
function collide(keyOne: Buffer, keyTwo: Buffer): Buffer {
  const free = randomBytes(16);
  const zero = Buffer.alloc(16);
  const started = Buffer.concat([free, zero]);
  const difference = tagOf(keyOne, started) ^ tagOf(keyTwo, started);
  const block = multiply(difference, invert(squareOfHashKey(keyOne) ^ squareOfHashKey(keyTwo)));
  const ciphertext = Buffer.concat([free, toBytes(block)]);
  return Buffer.concat([ciphertext, toBytes(tagOf(keyOne, ciphertext))]);
}

/** The tag of a given ciphertext: its plaintext is the ciphertext under the same key stream. */
function tagOf(key: Buffer, ciphertext: Buffer): bigint {
  const plaintext = createCipheriv("aes-256-gcm", key, nonce).update(ciphertext);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(info);
  cipher.update(plaintext);
  cipher.final();
  return toNumber(cipher.getAuthTag());
}

/** H², where H is the key of GHASH. */
function squareOfHashKey(key: Buffer): bigint {
  const h = toNumber(createCipheriv("aes-256-ecb", key, null).update(Buffer.alloc(16)));
  return multiply(h, h);
}

/** In GF(2¹²⁸) with GCM's order of bits: the leftmost bit is the coefficient of x⁰ (NIST SP 800-38D §6.3). */
function multiply(x: bigint, y: bigint): bigint {
  let product = 0n;
  let factor = y;
  for (let bit = 127n; bit >= 0n; bit -= 1n) {
    if ((x >> bit) & 1n) product ^= factor;
    factor = factor & 1n ? (factor >> 1n) ^ (0xe1n << 120n) : factor >> 1n;
  }
  return product;
}

/** x⁻¹ = x^(2¹²⁸ − 2). */
function invert(x: bigint): bigint {
  let inverse = 1n << 127n;
  let power = x;
  for (let bit = 1; bit < 128; bit += 1) {
    power = multiply(power, power);
    inverse = multiply(inverse, power);
  }
  return inverse;
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${bytes.toHex()}`);
}

function toBytes(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(32, "0"), "hex");
}
