import { Decipheriv, createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { expect, test, vi } from "vitest";
import { decrypt, encryptInto, tagBytes } from "../../../src/crypto/aes-gcm.ts";
import vectors from "../../vectors/aes-gcm/gcm-specification.json" with { type: "json" };

for (const vector of vectors) {
  test(`test case ${vector.case} of the GCM specification encrypts and decrypts`, () => {
    const key = Buffer.from(vector.key, "hex");
    const nonce = Buffer.from(vector.nonce, "hex");
    const associatedData = Buffer.from(vector.associatedData, "hex");
    const plaintext = Buffer.from(vector.plaintext, "hex");
    const encrypted = Buffer.alloc(plaintext.byteLength + tagBytes);
    encryptInto(encrypted, key, nonce, associatedData, plaintext);
    expect(encrypted.toString("hex")).toBe(vector.ciphertext + vector.tag);
    expect(decrypt(key, nonce, associatedData, encrypted)).toEqual(plaintext);
  });
}

test("a tag with any bit flipped, all bits flipped, all zeros or all ones is refused", () => {
  const { key, nonce, associatedData, encrypted, plaintext } = sample();
  const tag = encrypted.subarray(-tagBytes);
  const wrong = [
    ...Array.from({ length: tagBytes * 8 }, (_, bit) => flipped(tag, bit)),
    tag.map((byte) => byte ^ 0xff),
    Buffer.alloc(tagBytes),
    Buffer.alloc(tagBytes, 0xff),
  ];
  for (const forged of wrong) {
    const altered = Buffer.concat([encrypted.subarray(0, -tagBytes), forged]);
    expect(decrypt(key, nonce, associatedData, altered)).toBeNull();
  }
  expect(wrong).toHaveLength(131);
  expect(decrypt(key, nonce, associatedData, encrypted)).toEqual(plaintext);
});

test("tags of 4 to 15 bytes are refused, as is anything shorter than a tag", () => {
  const { key, nonce, associatedData, plaintext } = sample();
  for (let length = 0; length < tagBytes; length += 1) {
    expect(decrypt(key, nonce, associatedData, Buffer.alloc(length))).toBeNull();
  }
  for (const length of [4, 8, 12, 13, 14, 15]) {
    // A genuine tag of that length, as another implementation might write it.
    const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: length });
    cipher.setAAD(associatedData);
    const short = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    expect(decrypt(key, nonce, associatedData, short)).toBeNull();

    const control = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: length });
    control.setAAD(associatedData);
    control.setAuthTag(short.subarray(-length));
    expect(Buffer.concat([control.update(short.subarray(0, -length)), control.final()])).toEqual(plaintext);
  }
});

test("other associated data, another nonce or another key is refused", () => {
  const { key, nonce, associatedData, encrypted } = sample();
  expect(decrypt(key, nonce, randomBytes(20), encrypted)).toBeNull();
  expect(decrypt(key, randomBytes(12), associatedData, encrypted)).toBeNull();
  expect(decrypt(randomBytes(32), nonce, associatedData, encrypted)).toBeNull();
});

test("plaintext that turns out not to be authentic is zeroed before the refusal", () => {
  const { key, nonce, associatedData, encrypted, plaintext } = sample();
  const update = vi.spyOn(Decipheriv.prototype, "update");
  expect(decrypt(key, nonce, associatedData, encrypted)).toEqual(plaintext);
  expect(decrypt(key, nonce, associatedData, flipped(encrypted, encrypted.byteLength * 8 - 1))).toBeNull();
  const [authentic, forged] = update.mock.results.map(({ value }) => value);
  update.mockRestore();
  expect(authentic).toEqual(plaintext);
  expect(forged).toEqual(Buffer.alloc(plaintext.byteLength));
});

function sample() {
  const key = randomBytes(32);
  const nonce = randomBytes(12);
  const associatedData = randomBytes(20);
  const plaintext = randomBytes(50);
  const encrypted = Buffer.alloc(plaintext.byteLength + tagBytes);
  encryptInto(encrypted, key, nonce, associatedData, plaintext);
  return { key, nonce, associatedData, plaintext, encrypted };
}

function flipped(bytes: Uint8Array, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
  return copy;
}
