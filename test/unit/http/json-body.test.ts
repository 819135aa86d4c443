import { assert, json, pre, property } from "fast-check";
import { describe, expect, it } from "vitest";
import { KeyholdError } from "../../../src/errors.ts";
import { parseJson } from "../../../src/http/json-body.ts";

const canary = "canary-41d8";

function refusal(body: string | Uint8Array): string {
  try {
    parseJson(typeof body === "string" ? Buffer.from(body) : body);
  } catch (error) {
    if (error instanceof KeyholdError && error.code === "malformed") return error.detail;
    throw error;
  }
  throw new Error("the body was accepted");
}

const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const wide = (keys: number): string =>
  `{${Array.from({ length: keys }, (_, index) => `"k${index}":1`).join(",")}}`;

describe("a body", () => {
  it("is read as JSON would be", () => {
    assert(
      property(json({ maxDepth: 8, stringUnit: "grapheme" }), (text) => {
        pre(!/__proto__|\\u0000/.test(text) && (text.match(/":/g)?.length ?? 0) < 200);
        expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    ["is no JSON", `{"api_key": ${canary}}`],
    ["ends too soon", `{"api_key": "${canary}"`],
    ["has more after its end", `{} ${canary}`],
    [
      "is no UTF-8",
      Buffer.concat([Buffer.from(`{"${canary}":"`), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
    ],
    ["is nested too deep", nested(17).replaceAll('"a"', `"${canary}"`)],
    ["has too many fields", wide(201).replace("k0", canary)],
    ["has a field named __proto__", `{"__proto__": {"${canary}": true}}`],
    ["has a field named __proto__ in escapes", `{"\\u005f_proto__": {"${canary}": true}}`],
    ["has a field twice", `{"${canary}": 1, "${canary}": 2}`],
    ["holds a zero character", `{"name": "${canary}\\u0000"}`],
    ["holds half of a character", `{"name": "${canary}\\ud800"}`],
    ["has a field whose name cannot be stored", `{"${canary}\\u0000": 1}`],
  ])("is refused that %s, and nothing of it is repeated", (_, body) => {
    expect(refusal(body)).not.toContain(canary);
  });

  it.each([nested(16), wide(200), '{"a":"x:y","b":{"a":1}}', '["\\"", "a:b:c"]', "\ufeff{}", '"text"'])(
    "is accepted that only looks like that: %.20s",
    (body) => {
      expect(() => parseJson(Buffer.from(body))).not.toThrow();
    },
  );
});
