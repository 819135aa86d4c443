import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { expect, test } from "vitest";
import { exportDataKey, generateDataKey, importDataKey } from "../../../src/crypto/data-key.ts";
import { deriveMac } from "../../../src/crypto/mac.ts";
import { knownKey, openText, someContext } from "./samples.ts";
import { seal } from "../../../src/crypto/envelope.ts";
import { Secret } from "../../../src/crypto/secret.ts";

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
