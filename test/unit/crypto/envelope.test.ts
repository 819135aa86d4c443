import { randomBytes, randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { expect, expectTypeOf, test } from "vitest";
import {
  asSealed,
  EnvelopeError,
  maxPlaintextBytes,
  open,
  seal,
  type SealContext,
  type Sealed,
  sealedWith,
} from "../../../src/crypto/envelope.ts";
import { generateDataKey } from "../../../src/crypto/keys.ts";
import { Secret } from "../../../src/crypto/secret.ts";
import { failureOf, openText, someContext, textOf } from "./samples.ts";

const key = generateDataKey();
const context = someContext();

test("opening inverts sealing, for any bytes in any context", () => {
  const contexts = fc.record({
    tenantId: fc.uuid(),
    credentialId: fc.uuid(),
    version: fc.maxSafeNat(),
    field: fc.stringMatching(/^[a-z][a-z0-9_]{0,63}$/),
  });
  fc.assert(
    fc.property(contexts, fc.uint8Array({ maxLength: 300 }), (anyContext, bytes) => {
      using plaintext = Secret.take(Uint8Array.from(bytes));
      using opened = open(key, anyContext, seal(key, anyContext, plaintext));
      expect(opened.expose((found) => Uint8Array.from(found))).toEqual(bytes);
    }),
    { numRuns: 500 },
  );
});

test("the plaintext given to seal stays its owner's", () => {
  using plaintext = Secret.fromText("mine");
  seal(key, context, plaintext);
  expect(textOf(plaintext)).toBe("mine");
});

test("sealed bytes tell which data key opens them", () => {
  using plaintext = Secret.fromText("x");
  expect(sealedWith(seal(key, context, plaintext))).toBe(key.id);
});

test("a plaintext of the greatest size is sealed, one byte more is not", () => {
  using largest = Secret.take(randomBytes(maxPlaintextBytes));
  using opened = open(key, context, seal(key, context, largest));
  expect(opened.byteLength).toBe(maxPlaintextBytes);
  using tooLarge = Secret.take(randomBytes(maxPlaintextBytes + 1));
  expect(() => seal(key, context, tooLarge)).toThrow(RangeError);
});

test("20,000 seals of one plaintext share no salt, nonce, commitment or ciphertext", () => {
  using plaintext = Secret.fromText("the same every time");
  const seen = new Map([22, 54, 86, 98].map((at) => [at, new Set<string>()]));
  for (let count = 0; count < 20_000; count += 1) {
    const sealed = Buffer.from(seal(key, context, plaintext));
    for (const [at, values] of seen) values.add(sealed.toString("latin1", at, at + 12));
  }
  expect([...seen.values()].map((values) => values.size)).toEqual([20_000, 20_000, 20_000, 20_000]);
});

for (const [name, change] of Object.entries({
  tenant: { tenantId: randomUUID() },
  credential: { credentialId: randomUUID() },
  version: { version: 2 },
  field: { field: "api_key" },
})) {
  test(`a value moved to another ${name} does not open`, () => {
    using plaintext = Secret.fromText("here only");
    const sealed = seal(key, context, plaintext);
    expect(failureOf(() => open(key, { ...context, ...change }, sealed))).toBeInstanceOf(EnvelopeError);
    expect(openText(key, context, sealed)).toBe("here only");
  });
}

test("another key does not open a value, whether its id differs or it claims the same id", () => {
  using plaintext = Secret.fromText("x");
  const sealed = seal(key, context, plaintext);
  const failures = [generateDataKey(), { ...generateDataKey(), id: key.id }].map((other) =>
    failureOf(() => open(other, context, sealed)),
  );
  expect(failures).toEqual([new EnvelopeError(), new EnvelopeError()]);
});

test("a malformed context or key id is a programmer's error, when sealing and when opening", () => {
  using plaintext = Secret.fromText("x");
  const sealed = seal(key, context, plaintext);
  const malformed: Partial<SealContext>[] = [
    { tenantId: "" },
    { tenantId: context.tenantId.toUpperCase() },
    { credentialId: `${context.credentialId} ` },
    { version: -1 },
    { version: 1.5 },
    { version: 2 ** 53 },
    { field: "" },
    { field: "API_KEY" },
    { field: "a".repeat(65) },
  ];
  for (const change of malformed) {
    expect(() => seal(key, { ...context, ...change }, plaintext)).toThrow(TypeError);
    expect(() => open(key, { ...context, ...change }, sealed)).toThrow(TypeError);
  }
  expect(() => seal({ ...key, id: "one" }, context, plaintext)).toThrow(TypeError);
});

test("bytes that are no envelope are not taken for one", () => {
  using plaintext = Secret.fromText("x");
  const sealed = seal(key, context, plaintext);
  const shortest = sealed.byteLength - 1;
  const strange = [
    new Uint8Array(),
    Buffer.from("plaintext"),
    randomBytes(sealed.byteLength),
    Buffer.from(sealed).subarray(0, shortest - 1),
    Buffer.concat([sealed, Buffer.alloc(maxPlaintextBytes)]),
  ];
  for (const bytes of strange) expect(() => asSealed(bytes)).toThrow(EnvelopeError);
  expect(asSealed(Buffer.from(sealed).subarray(0, shortest))).toHaveLength(shortest);
});

test("neither bytes nor text pass for a sealed value when compiled", () => {
  expectTypeOf<Uint8Array>().not.toExtend<Sealed>();
  expectTypeOf<Buffer>().not.toExtend<Sealed>();
  expectTypeOf<string>().not.toExtend<Sealed>();
  expectTypeOf<Secret>().not.toExtend<Sealed>();
  expectTypeOf(seal).returns.toEqualTypeOf<Sealed>();
  expectTypeOf(asSealed).returns.toEqualTypeOf<Sealed>();
  expectTypeOf<Sealed>().toExtend<Uint8Array>();
});
