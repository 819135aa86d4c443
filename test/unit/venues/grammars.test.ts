import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  address,
  currency,
  network,
  operations,
  orderId,
  symbol,
  tag,
} from "../../../src/venues/operations.ts";

const requests = readFileSync(new URL("../../vectors/ccxt-requests/requests.txt", import.meta.url), "utf8");
const given = [
  ...new Set(
    requests
      .trimEnd()
      .split("\n")
      .flatMap((line) => line.split(" ").slice(3)),
  ),
];

const hostile = [
  "../keys",
  "..",
  "a/../b",
  "a..b",
  "a/b/c",
  "/a",
  "a/",
  "a\\b",
  "%2e%2e",
  "a%2fb",
  "a?b=c",
  "a#b",
  "a&b",
  "a;b",
  "a\nb",
  "a\tb",
  "a\0b",
  "",
  " ",
  "-1",
  '{"a":1}',
  "a'b",
  "<a>",
];

describe("what a caller may put into a request", () => {
  test("is every symbol, id, code and account that ccxt's own tests use", () => {
    const fits = (text: string) => [symbol, orderId, currency].some((it) => it.safeParse(text).success);
    expect(given.length).toBeGreaterThan(40);
    expect(given.filter((text) => !fits(text))).toEqual([]);
  });

  test.each([
    ["an option", "BTC/USDT:USDT-240628-50000-C"],
    ["an option with a broken price", "DOGE/USD:USD-240628-0.145-P"],
    ["a future", "ETH/USD:ETH-241227"],
    ["a code in Chinese", "币安人生/USDT"],
    ["a code with a dollar sign", "$MYRO/USDT"],
    ["a class of shares", "BRK.B"],
    ["a market's own id", "tBTCF0:USTF0"],
    ["a currency pair of a data vendor", "C:EURUSD"],
    ["a market of another builder", "XYZ-TSLA/USDC:USDC"],
    ["a code of one digit", "4/USDT"],
  ])("is %s as a symbol", (_name, text) => {
    expect(symbol.parse(` ${text} `)).toBe(text);
  });

  test.each([
    ["a number", "129402018493145088"],
    ["a UUID", "9fd0cadc-2ccc-45e8-b254-ea511c34e5b2"],
    ["groups of letters", "OF7S76-H2IMS-N2ML4U"],
    ["a hash", `0x${"ab".repeat(32)}`],
    ["a compound", "BTCUSDT:spot_1.2"],
  ])("is %s as an order's id", (_name, text) => {
    expect(orderId.parse(text)).toBe(text);
  });

  test.each([
    [network, "BEP20(BSC)"],
    [network, "Arbitrum One(ARB)"],
    [address, "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"],
    [address, "0.0.1234567"],
    [address, "alice.near"],
    [address, "addr1qx2fxv2umyhttkxyxp8x0dlpdt3k6cwng5pxj3jhsydzer"],
    [tag, "104 567"],
    [tag, "memo: order 7"],
  ])("is what a withdrawal needs (%#)", (grammar, text) => {
    expect(grammar.parse(text)).toBe(text);
  });

  test.each(Object.entries({ symbol, orderId, currency, network, address, tag }))(
    "is never a path or a query, as %s",
    (name, grammar) => {
      const isSymbol = name === "symbol";
      for (const text of hostile) expect(grammar.safeParse(text).success, JSON.stringify(text)).toBe(false);
      expect(grammar.safeParse("a/b").success).toBe(isSymbol);
      expect(grammar.safeParse("a".repeat(257)).success).toBe(false);
    },
  );

  test("is never a parameter that the operation does not name, such as another recipient", () => {
    const recipients = [
      "subAcct",
      "toUid",
      "toUserId",
      "to",
      "email",
      "vaultAddress",
      "key",
      "builder",
      "type",
    ];
    for (const { name, params } of operations) {
      for (const recipient of recipients.filter((it) => !(it in params.shape))) {
        const parsed = params.safeParse({ [recipient]: "thief" });
        const codes = parsed.success ? [] : parsed.error.issues.map(({ code }) => code);
        expect(codes, `${name} ${recipient}`).toContain("unrecognized_keys");
      }
    }
  });
});
