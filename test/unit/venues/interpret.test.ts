import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { wordsOf } from "../../../src/venues/interpret.ts";

describe("what a venue says", () => {
  test.each([
    [
      "the texts of its JSON",
      '{"code":7,"error":{"name":"no_access","message":"Go away."}}',
      "no_access Go away.",
    ],
    [
      "a page without its markup",
      "<title>403</title><script>let a;</script><p>Not\n here.</p>",
      "403 Not here.",
    ],
    ["a plain text", "Unauthorized\n", "Unauthorized"],
    ["nothing", "", ""],
    ["numbers alone", "[1, 2]", ""],
  ])("is %s", (_name, body, words) => {
    expect(wordsOf(body)).toBe(words);
  });

  test("leaves out the request that a gateway repeats", () => {
    const page = `Denied. You asked for "http&#58;&#47;&#47;api.example/v1?key=1". Sent signature=abc too. Bye.`;
    expect(wordsOf(page)).toBe("Denied. Bye.");
  });

  test("is bounded, and cut between words, so that no part of a secret is left of one that is cut", () => {
    const secret = randomBytes(16).toString("hex");
    for (let before = 150; before < 230; before += 1) {
      const words = wordsOf(JSON.stringify({ message: `${"a ".repeat(before / 2)}${secret} and more` }));
      expect(words.length).toBeLessThanOrEqual(202);
      expect(words.includes(secret) || !words.includes(secret.slice(0, 4))).toBe(true);
    }
    expect(wordsOf(`x ${randomBytes(40).toString("hex")} y`), "nor what is longer than any word").toBe("x y");
  });
});
