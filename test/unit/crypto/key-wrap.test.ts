import { createSecretKey, randomBytes, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { fingerprint, unwrapKey, wrapKey } from "../../../src/crypto/key-wrap.ts";

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
