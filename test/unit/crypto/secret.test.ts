import { Console } from "node:console";
import { Writable } from "node:stream";
import { inspect } from "node:util";
import { deserialize, serialize } from "node:v8";
import { expect, test } from "vitest";
import { Secret } from "../../../src/crypto/secret.ts";
import { textOf } from "./samples.ts";

const canary = "canary-7Qm2vX";

/** The eight ways in which a value gets into a log by mistake; each takes a value and gives what would be printed. */
const routes: Readonly<Record<string, (value: unknown) => string>> = {
  "conversion to text, as in a template": (value) => String(value),
  JSON: (value) => JSON.stringify({ value }),
  inspect: (value) => inspect({ value }, { depth: 10 }),
  "inspect with hidden properties": (value) =>
    inspect(value, { showHidden: true, customInspect: false, depth: 10 }),
  structuredClone: (value) => inspect(structuredClone({ value }), { showHidden: true, depth: 10 }),
  "v8.serialize": (value) => {
    const bytes = serialize({ value });
    return bytes.toString("latin1") + inspect(deserialize(bytes), { depth: 10 });
  },
  "the cause of an error": (value) =>
    inspect(new Error("failed", { cause: value }), { showHidden: true, depth: 10 }),
  "console.table": (value) => tableOf([value]) + tableOf([{ value }]),
};

/** The same text held the naive way. It converts to its text as a string would, so that every route has its chance. */
class NaiveSecret {
  readonly text = canary;
  toString(): string {
    return this.text;
  }
}

function tableOf(rows: unknown): string {
  let printed = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      printed += String(chunk);
      done();
    },
  });
  new Console(sink).table(rows);
  return printed;
}

for (const [name, route] of Object.entries(routes)) {
  test(`a secret does not leak through ${name}`, () => {
    using secret = Secret.fromText(canary);
    const bytes = [...Buffer.from(canary)].join(", ");
    expect(route(secret)).not.toContain(canary);
    expect(route(secret)).not.toContain(bytes);
  });

  test(`control: a naive secret does leak through ${name}`, () => {
    expect(route(new NaiveSecret())).toContain(canary);
  });
}

test("a secret prints as [secret] where it can be printed at all", () => {
  using secret = Secret.fromText(canary);
  expect([String(secret), JSON.stringify(secret), inspect(secret), inspect([secret])]).toEqual([
    "[secret]",
    '"[secret]"',
    "[secret]",
    "[ [secret] ]",
  ]);
  expect(Number(secret)).toBeNaN();
});

test("taking bytes moves them: the source is zeroed", () => {
  const source = Buffer.from(canary);
  using secret = Secret.take(source);
  expect(textOf(secret)).toBe(canary);
  expect([...source]).toEqual(Array.from(source, () => 0));
});

test("the end of its scope zeroes a secret's bytes, even for who kept them", () => {
  let kept = new Uint8Array();
  {
    using secret = Secret.fromText(canary);
    kept = secret.expose((bytes) => bytes);
    expect(Buffer.from(kept).toString()).toBe(canary);
  }
  expect([...kept]).toEqual(Array.from(kept, () => 0));
});

test("a disposed secret cannot be read, measured, copied or joined, and still prints as [secret]", () => {
  const secret = Secret.fromText(canary);
  secret[Symbol.dispose]();
  secret[Symbol.dispose]();
  expect(secret.disposed).toBe(true);
  expect(() => secret.expose((bytes) => bytes)).toThrow(new TypeError("the secret was disposed"));
  expect(() => secret.byteLength).toThrow(TypeError);
  expect(() => secret.copy()).toThrow(TypeError);
  expect(() => Secret.join([secret])).toThrow(TypeError);
  expect(inspect(secret)).toBe("[secret]");
});

test("a copy outlives its original", () => {
  const original = Secret.fromText(canary);
  using copy = original.copy();
  original[Symbol.dispose]();
  expect(textOf(copy)).toBe(canary);
});

test("joining puts plaintexts in order and leaves the parts alone", () => {
  using head = Secret.fromText("ab");
  using none = Secret.fromText("");
  using tail = Secret.fromText("c");
  using joined = Secret.join([head, none, tail]);
  expect([textOf(joined), textOf(head), textOf(tail)]).toEqual(["abc", "ab", "c"]);
});

test("a secret's bytes have a buffer of their own, with no neighbour in it", () => {
  using secret = Secret.take(Buffer.from(canary));
  expect(secret.expose((bytes) => bytes.buffer.byteLength)).toBe(canary.length);
});

test("text that UTF-8 cannot express is refused instead of silently changed", () => {
  expect(() => Secret.fromText("half a pair: \ud800")).toThrow(TypeError);
});
