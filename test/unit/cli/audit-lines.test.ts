import { describe, expect, test } from "vitest";
import { readLines } from "../../../src/cli/audit.ts";

async function linesOf(...chunks: readonly Uint8Array[]): Promise<string[]> {
  async function* stream(): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }
  return Array.fromAsync(readLines(stream()));
}

const bytes = (text: string): Buffer => Buffer.from(text, "utf8");

describe("the lines of an export", () => {
  test("are the same however the stream was cut", async () => {
    const whole = bytes('{"a":"ü–🙂"}\n{"b":1}\n');
    const expected = ['{"a":"ü–🙂"}', '{"b":1}'];
    expect(await linesOf(whole)).toEqual(expected);
    for (let size = 1; size < 5; size += 1) {
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
        whole.subarray(at * size, (at + 1) * size),
      );
      expect(await linesOf(...pieces)).toEqual(expected);
    }
  });

  test("end at a line feed and at nothing else", async () => {
    expect(await linesOf(bytes("a\u2028b\r\nc\rd\u0085e"))).toEqual(["a\u2028b\r", "c\rd\u0085e"]);
  });

  test("keep a last line without its line feed, an empty line, and a mark at the beginning", async () => {
    expect(await linesOf(bytes("\ufeffa\n\nb"))).toEqual(["\ufeffa", "", "b"]);
    expect(await linesOf()).toEqual([]);
  });

  test("are empty where bytes are not UTF-8, so that no look-alike passes", async () => {
    expect(await linesOf(Buffer.concat([bytes('{"a":"'), Buffer.of(0xff), bytes('"}\nb')]))).toEqual([
      "",
      "b",
    ]);
  });

  test("have an end, or reading stops", async () => {
    const chunk = Buffer.alloc(9 * 1024 * 1024, "a");
    await expect(linesOf(chunk, chunk)).rejects.toThrow("longer than any of a record");
  });
});
