import { expect, test } from "vitest";
import { generateDataKey } from "../../../src/crypto/data-key.ts";
import { EnvelopeError, seal, sealedWith } from "../../../src/crypto/envelope.ts";
import {
  hardStopOperations,
  keyState,
  rotateAfterDays,
  rotateAfterOperations,
} from "../../../src/crypto/key-limits.ts";
import { createKeyring, keyOf, openWithRing, rewrap, sealWithNewest } from "../../../src/crypto/keyring.ts";
import { Secret } from "../../../src/crypto/secret.ts";
import { KeyholdError } from "../../../src/errors.ts";
import { failureOf, openText, someContext, textOf } from "./samples.ts";

const [first, second, third] = [generateDataKey(), generateDataKey(), generateDataKey()];
const ring = createKeyring(third, second, first);
const context = someContext();

function sealText(text: string, key = first) {
  using plaintext = Secret.fromText(text);
  return seal(key, context, plaintext);
}

test("the newest key seals", () => {
  using plaintext = Secret.fromText("new");
  const sealed = sealWithNewest(ring, context, plaintext);
  expect(sealedWith(sealed)).toBe(third.id);
  expect(openText(third, context, sealed)).toBe("new");
});

test("every key of the ring opens what it sealed", () => {
  for (const key of [first, second, third]) {
    expect(keyOf(ring, sealText("old", key))).toBe(key);
    using opened = openWithRing(ring, context, sealText("old", key));
    expect(textOf(opened)).toBe("old");
  }
});

test("a value of a key that the ring does not hold is not available, and the error names the key by its id", () => {
  const absent = generateDataKey();
  const failure = failureOf(() => openWithRing(ring, context, sealText("x", absent)));
  expect(failure).toBeInstanceOf(KeyholdError);
  expect(failure).toMatchObject({ code: "key_unavailable", facts: { data_key_id: absent.id } });
});

test("rewrapping brings a value under the newest key, and it opens there only", () => {
  const rewrapped = rewrap(ring, context, sealText("moved"));
  expect(sealedWith(rewrapped)).toBe(third.id);
  expect(openText(third, context, rewrapped)).toBe("moved");
  expect(failureOf(() => openText(first, context, rewrapped))).toBeInstanceOf(EnvelopeError);
});

test("rewrapping a value that is under the newest key returns it as it is, so a rotation can run twice", () => {
  const once = rewrap(ring, context, sealText("moved"));
  expect(rewrap(ring, context, once)).toBe(once);
});

test("rewrapping does not move a value to another context", () => {
  const sealed = sealText("here");
  expect(() => rewrap(ring, { ...context, field: "api_key" }, sealed)).toThrow(EnvelopeError);
});

test("two keys of one id make no ring", () => {
  expect(() => createKeyring(first, { ...generateDataKey(), id: first.id })).toThrow(TypeError);
});

test("a key is due after 2^28 operations or 90 days, and seals no more below 3,865,470,566 and 2^32", () => {
  const createdAt = new Date("2026-01-01T00:00:00Z");
  const later = (days: number) => new Date(createdAt.getTime() + days * 86_400_000);
  const state = (operations: number, days: number) => keyState({ operations, createdAt }, later(days));
  expect([state(0, 0), state(rotateAfterOperations - 1, 89.9)]).toEqual(["fresh", "fresh"]);
  expect([state(rotateAfterOperations, 0), state(0, 90)]).toEqual(["rotate", "rotate"]);
  expect([state(hardStopOperations - 1, 0), state(hardStopOperations, 0)]).toEqual(["rotate", "exhausted"]);
  expect([rotateAfterOperations, rotateAfterDays, hardStopOperations]).toEqual([
    268_435_456, 90, 3_865_470_566,
  ]);
});
