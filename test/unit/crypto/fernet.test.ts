import { createCipheriv, createHmac, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { FernetError, openFernet, parseFernetKey } from "../../../src/crypto/fernet.ts";
import { KeyholdError } from "../../../src/errors.ts";
import generated from "../../vectors/fernet/generate.json" with { type: "json" };
import invalid from "../../vectors/fernet/invalid.json" with { type: "json" };
import valid from "../../vectors/fernet/verify.json" with { type: "json" };
import { failureOf, textOf } from "./samples.ts";

type Age = Parameters<typeof openFernet>[2];

function openToken(token: string, keys: readonly string[], age?: Age): string {
  using plaintext = openFernet(token, keys.map(parseFernetKey), age);
  return textOf(plaintext);
}

for (const { token, secret, src } of generated) {
  test(`the specification's generated token opens to ${src}`, () => {
    expect(openToken(token, [secret])).toBe(src);
  });
}

for (const { token, secret, src, now, ttl_sec } of valid) {
  test(`the specification's valid token opens to ${src} within its time`, () => {
    expect(openToken(token, [secret], { ttlSeconds: ttl_sec, now: new Date(now) })).toBe(src);
  });
}

for (const { desc, token, secret, now, ttl_sec } of invalid) {
  test(`the specification's invalid token is refused: ${desc}`, () => {
    const failure = failureOf(() => openToken(token, [secret], { ttlSeconds: ttl_sec, now: new Date(now) }));
    expect(failure).toEqual(new FernetError());
    expect(failure).not.toHaveProperty("cause");
  });
}

test("the specification has ten vectors, all of them here", () => {
  expect([generated.length, valid.length, invalid.length]).toEqual([1, 1, 8]);
});

test("1,000 tokens that Python wrote open with a list of its four keys, in any order", () => {
  const lines = readFileSync(
    new URL("../../vectors/fernet/python-cryptography.ndjson", import.meta.url),
    "utf8",
  );
  const tokens = lines.trimEnd().split("\n").map(readLine);
  const keys = [...new Set(tokens.map(({ key }) => key))].map(parseFernetKey);
  expect([tokens.length, keys.length]).toEqual([1_000, 4]);
  for (const [index, { text, token }] of tokens.entries()) {
    const rotated = keys.map((_, place) => keys.at((place + index) % keys.length) ?? fail());
    using plaintext = openFernet(token, rotated);
    expect(textOf(plaintext)).toBe(text);
  }
});

test("a token is refused with a list that lacks its key, and with no keys at all", () => {
  const [key, other] = [randomBytes(32), randomBytes(32)];
  const token = write(key, Buffer.from("x"), 1_000);
  expect(openToken(token, [encode(other), encode(key)])).toBe("x");
  expect(() => openToken(token, [encode(other)])).toThrow(FernetError);
  expect(() => openToken(token, [])).toThrow(FernetError);
});

test("tokens of any bytes open to the same bytes", () => {
  const key = randomBytes(32);
  const keys = [parseFernetKey(encode(key))];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      using plaintext = openFernet(write(key, bytes, 0), keys);
      expect(plaintext.expose((found) => Uint8Array.from(found))).toEqual(bytes);
    }),
  );
});

test("every flip of a single bit is refused", () => {
  const key = randomBytes(32);
  const keys = [parseFernetKey(encode(key))];
  const token = Buffer.from(write(key, Buffer.from("secret"), 0), "base64url");
  for (let bit = 0; bit < token.byteLength * 8; bit += 1) {
    const altered = Buffer.from(token);
    altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(failureOf(() => openFernet(encode(altered), keys))).toEqual(new FernetError());
  }
});

test("a padding or version that is wrong under a right MAC gives the same refusal", () => {
  const key = randomBytes(32);
  const refusals = [
    write(key, Buffer.alloc(16), 0, { autoPadding: false }), // a last byte of 0 is no padding
    write(key, Buffer.alloc(16, 17), 0, { autoPadding: false }), // nor is one of 17
    write(key, Buffer.from("x"), 0, { version: 0x81 }),
  ].map((token) => failureOf(() => openToken(token, [encode(key)])));
  expect(refusals).toEqual([new FernetError(), new FernetError(), new FernetError()]);
});

test("with a time to live, a token opens from 60 seconds early to its last second", () => {
  const key = randomBytes(32);
  const token = write(key, Buffer.from("x"), 1_000_000);
  const opens = (seconds: number) =>
    failureOf(() => openToken(token, [encode(key)], { ttlSeconds: 30, now: new Date(seconds * 1000) })) ===
    undefined;
  expect([999_939, 999_940, 1_000_030, 1_000_031].map(opens)).toEqual([false, true, true, false]);
});

test("without a time to live, a token's age does not matter", () => {
  const key = randomBytes(32);
  for (const time of [0, 2 ** 40])
    expect(openToken(write(key, Buffer.from("x"), time), [encode(key)])).toBe("x");
});

test("a key that is no Fernet key is refused with a sentence that does not repeat it", () => {
  for (const text of [
    "",
    "short",
    randomBytes(32).toString("hex"),
    randomBytes(32).toString("base64url"),
    encode(randomBytes(31)),
  ]) {
    const failure = failureOf(() => parseFernetKey(text));
    expect(failure).toBeInstanceOf(KeyholdError);
    expect(failure).toMatchObject({ code: "malformed", detail: expect.stringContaining("44 characters") });
    if (text !== "") expect(String(failure)).not.toContain(text);
  }
});

function readLine(line: string): { key: string; text: string; token: string } {
  const value: unknown = JSON.parse(line);
  if (typeof value !== "object" || value === null) return fail();
  if (!("key" in value && "text" in value && "token" in value)) return fail();
  return { key: String(value.key), text: String(value.text), token: String(value.token) };
}

function fail(): never {
  throw new Error("the vectors are damaged");
}

/** A Fernet writer, from the specification; Keyhold has none. */
function write(
  key: Buffer,
  plaintext: Uint8Array,
  time: number,
  { version = 0x80, autoPadding = true } = {},
): string {
  const iv = randomBytes(16);
  const cipher = createCipheriv("aes-128-cbc", key.subarray(16), iv).setAutoPadding(autoPadding);
  const head = Buffer.alloc(9, version);
  head.writeBigUInt64BE(BigInt(time), 1);
  const signed = Buffer.concat([head, iv, cipher.update(plaintext), cipher.final()]);
  const mac = createHmac("sha256", key.subarray(0, 16)).update(signed).digest();
  return encode(Buffer.concat([signed, mac]));
}

/** base64url with padding, as Python writes it. */
function encode(bytes: Buffer): string {
  return bytes.toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}
