import { array, assert, constantFrom, property } from "fast-check";
import { describe, expect, test } from "vitest";
import { Withheld, plainUrl } from "../../../../src/venues/process/bounded-fetch.ts";

const base = "https://api.example.com/v1/orders/";

describe("a URL that leaves", () => {
  test.each([
    ["a plain path", `${base}42?symbol=BTC_USDT&signature=a%2Fb`],
    ["no path", "https://api.example.com"],
    ["a query alone", "https://api.example.com?method=balance"],
    ["an encoded symbol", `${base}BTC%2FUSDT`],
    ["dots inside a segment", `${base}a..b.c`],
    ["quotes in a query", `${base}42?passphrase=it's "it"`],
    ["a port", "http://127.0.0.1:9491/v1"],
  ])("may have %s", (_name, url) => {
    expect(plainUrl(url).href.startsWith(url.slice(0, 20))).toBe(true);
  });

  test.each([
    ["a segment that goes up", `${base}../keys`],
    ["a segment that stays", `${base}./42`],
    ["encoded dots", `${base}%2e%2e/keys`],
    ["half encoded dots", `${base}.%2E/keys`],
    ["dots before an encoded slash", `${base}..%2fkeys`],
    ["dots that are encoded twice", `${base}%252e%252e%252fkeys`],
    ["a backslash", `${base}..\\keys`],
    ["an encoded backslash", `${base}..%5ckeys`],
    ["a tab", `${base}.\t./keys`],
    ["a line break", `${base}42\n/keys`],
    ["an encoded line break", `${base}42%0d%0ahost: x`],
    ["a line break in its query", `${base}42?a=1\r\nb=2`],
    ["a fragment", `${base}42#`],
    ["a user", "https://api.example.com@thief.example/v1"],
    ["an upper-case host", "https://API.example.com/v1"],
    ["another scheme", "file:///etc/passwd"],
    ["a broken encoding", `${base}%zz`],
    ["a blank around it", ` ${base}42`],
  ])("may not have %s", (_name, url) => {
    expect(() => plainUrl(url)).toThrow(Withheld);
  });

  test("never has another path than the one that was written, whatever stands for the id", () => {
    const piece = constantFrom(
      "..",
      ".",
      "/",
      "\\",
      "%2e",
      "%2f",
      "%5c",
      "\t",
      "\n",
      "?",
      "#",
      "@",
      ":",
      "a",
      "é",
    );
    assert(
      property(array(piece, { maxLength: 8 }), (pieces) => {
        const url = base + pieces.join("");
        let pathname: string;
        try {
          ({ pathname } = plainUrl(url));
        } catch (error) {
          expect(error).toBeInstanceOf(Withheld);
          return;
        }
        expect(url).toContain(pathname);
        expect(pathname.startsWith("/v1/orders/")).toBe(true);
      }),
    );
  });
});
