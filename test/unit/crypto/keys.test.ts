import { createSecretKey, randomBytes, randomUUID } from "node:crypto";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { seal } from "../../../src/crypto/envelope.ts";
import {
  exportDataKey,
  fingerprint,
  generateDataKey,
  importDataKey,
  unwrapKey,
  wrapKey,
} from "../../../src/crypto/keys.ts";
import { deriveMac } from "../../../src/crypto/mac.ts";
import { Secret } from "../../../src/crypto/secret.ts";
import { knownKey, openText, someContext } from "./samples.ts";

test("a key that was exported and imported opens what the original sealed", () => {
  const original = generateDataKey();
  const context = someContext();
  using plaintext = Secret.fromText("kept");
  const sealed = seal(original, context, plaintext);
  using material = exportDataKey(original);
  const restored = material.expose((bytes) => importDataKey(original.id, bytes));
  expect(openText(restored, context, sealed)).toBe("kept");
});

test("importing zeroes the bytes that were given", () => {
  const material = randomBytes(32);
  importDataKey(generateDataKey().id, material);
  expect(material).toEqual(Buffer.alloc(32));
});

test("a key of another length or with a malformed id is not imported", () => {
  const { id } = generateDataKey();
  expect(() => importDataKey(id, randomBytes(31))).toThrow(TypeError);
  expect(() => importDataKey(id, randomBytes(33))).toThrow(TypeError);
  expect(() => importDataKey(id.toUpperCase(), randomBytes(32))).toThrow(TypeError);
});

test("a data key does not print its bytes", () => {
  const { key, material } = knownKey();
  const printed = [inspect(key, { showHidden: true, depth: 10 }), JSON.stringify(key)].join("");
  for (const encoding of ["hex", "base64", "base64url"] as const) {
    expect(printed).not.toContain(material.toString(encoding));
    expect(inspect(material.toString(encoding))).toContain(material.toString(encoding));
  }
});

test("a MAC depends on key, purpose and bytes, and on nothing else", () => {
  const key = generateDataKey();
  const bytes = Buffer.from("the request");
  const mac = deriveMac(key, "idempotency", bytes);
  expect(mac).toHaveLength(32);
  expect(deriveMac(key, "idempotency", bytes)).toEqual(mac);
  const others = [
    deriveMac(generateDataKey(), "idempotency", bytes),
    deriveMac(key, "cursor", bytes),
    deriveMac(key, "idempotency", Buffer.from("another request")),
  ];
  for (const other of others) expect(other).not.toEqual(mac);
});

test("a MAC is HMAC-SHA-256 under a key derived for the purpose, as a golden value shows", () => {
  const key = importDataKey("00000000-0000-4000-8000-000000000001", Buffer.alloc(32, 7));
  expect(deriveMac(key, "cursor", Buffer.from("bytes")).toHex()).toBe(
    "57f904d09dd2b1ea634ae9a83ea91b445a3d0862539f1815cf71e6034071acf0",
  );
});

const wrappingKey = newWrappingKey();
const binding = { tenantId: randomUUID(), dataKeyId: randomUUID() };
const dataKey = randomBytes(32);

function newWrappingKey() {
  const material = randomBytes(32);
  return { id: fingerprint(material), key: createSecretKey(material) };
}

test("unwrapping inverts wrapping, and the wrapped bytes do not hold the key", () => {
  const wrapped = wrapKey(wrappingKey, binding, dataKey);
  expect(unwrapKey(wrappingKey, binding, wrapped)).toEqual(dataKey);
  expect(Buffer.from(wrapped).includes(dataKey)).toBe(false);
});

test("two wraps of one key differ", () => {
  expect(wrapKey(wrappingKey, binding, dataKey)).not.toEqual(wrapKey(wrappingKey, binding, dataKey));
});

test("none of the 90 swaps of wrapped keys between ten tenants unwraps; each unwraps at home", () => {
  const tenants = Array.from({ length: 10 }, () => {
    const home = { tenantId: randomUUID(), dataKeyId: binding.dataKeyId };
    return { home, wrapped: wrapKey(wrappingKey, home, dataKey) };
  });
  const opened = tenants.flatMap(({ home }, to) =>
    tenants.flatMap(({ wrapped }, from) =>
      unwrapKey(wrappingKey, home, wrapped) === null ? [] : [[from, to]],
    ),
  );
  expect(opened).toEqual(tenants.map((_, index) => [index, index]));
});

test("a wrapped key does not unwrap under another id, another wrapping key or another fingerprint", () => {
  const wrapped = wrapKey(wrappingKey, binding, dataKey);
  expect(unwrapKey(wrappingKey, { ...binding, dataKeyId: randomUUID() }, wrapped)).toBeNull();
  expect(unwrapKey(newWrappingKey(), binding, wrapped)).toBeNull();
  expect(unwrapKey({ ...wrappingKey, id: "another" }, binding, wrapped)).toBeNull();
});

test("every flip of a single bit and every cut is refused", () => {
  const wrapped = Buffer.from(wrapKey(wrappingKey, binding, dataKey));
  for (let bit = 0; bit < wrapped.byteLength * 8; bit += 1) {
    const altered = Buffer.from(wrapped);
    altered.writeUInt8(altered.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    expect(unwrapKey(wrappingKey, binding, altered)).toBeNull();
  }
  for (let length = 0; length < wrapped.byteLength; length += 1) {
    expect(unwrapKey(wrappingKey, binding, wrapped.subarray(0, length))).toBeNull();
  }
  expect(unwrapKey(wrappingKey, binding, Buffer.concat([wrapped, Buffer.alloc(1)]))).toBeNull();
});

test("only 32 bytes are wrapped, bound to well-formed ids", () => {
  expect(() => wrapKey(wrappingKey, binding, randomBytes(16))).toThrow(TypeError);
  expect(() => wrapKey(wrappingKey, { ...binding, tenantId: "t" }, dataKey)).toThrow(TypeError);
  expect(() => wrapKey(wrappingKey, { ...binding, dataKeyId: "d" }, dataKey)).toThrow(TypeError);
});

test("a fingerprint names a key and tells nothing of it", () => {
  const [one, two] = [randomBytes(32), randomBytes(32)];
  expect(fingerprint(one)).toMatch(/^[0-9a-f]{32}$/);
  expect(fingerprint(one)).toBe(fingerprint(Buffer.from(one)));
  expect(fingerprint(one)).not.toBe(fingerprint(two));
  expect(one.toHex()).not.toContain(fingerprint(one).slice(0, 8));
});
