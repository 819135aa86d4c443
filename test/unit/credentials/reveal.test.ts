import { assert, constantFrom, oneof, property, string } from "fast-check";
import { expect, test } from "vitest";
import { writeJsonText } from "../../../src/credentials/reveal.ts";

/** What the writer makes of a text, in a buffer with just the room that it asks for and a guard behind. */
function written(text: string): Buffer {
  const bytes = new TextEncoder().encode(text);
  const room = bytes.byteLength * 6 + 2;
  const target = Buffer.alloc(3 + room + 1, 0xee);
  const end = writeJsonText(target, 3, bytes);
  expect(end).toBeLessThanOrEqual(3 + room);
  expect(target.subarray(0, 3).equals(Buffer.alloc(3, 0xee)), "nothing before the start").toBe(true);
  expect(
    target.subarray(end).every((byte) => byte === 0xee),
    "nothing after the end",
  ).toBe(true);
  return target.subarray(3, end);
}

/** Mostly characters that JSON escapes, or that UTF-8 needs several bytes for. */
const text = string({
  unit: oneof(
    constantFrom('"', "\\", "/", "\b", "\n", "\0", "\u001F", "\u007F", "\u2028", "é", "€", "😀"),
    string({ unit: "binary", minLength: 1, maxLength: 1 }),
  ),
  maxLength: 200,
});

test("any text comes back from JSON.parse as it was", () => {
  assert(
    property(text, (value) => {
      expect(JSON.parse(written(value).toString("utf8"))).toBe(value);
    }),
    { numRuns: 2000 },
  );
});

test("every byte of ASCII comes back, alone and between others", () => {
  for (let code = 0; code < 128; code += 1) {
    const character = String.fromCodePoint(code);
    for (const value of [character, `a${character}b`]) {
      expect(JSON.parse(written(value).toString("utf8"))).toBe(value);
    }
  }
});

test("the control: without escapes the same texts do not come back", () => {
  const naive = (value: string): unknown => JSON.parse(`"${value}"`);
  expect(() => naive('"')).toThrow(SyntaxError);
  expect(() => naive("\n")).toThrow(SyntaxError);
});
