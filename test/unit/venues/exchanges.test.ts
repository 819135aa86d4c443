import { expect, test } from "vitest";
import { describeExchanges } from "../../../src/venues/ccxt/generate.ts";
import { exchangeList } from "../../../src/venues/ccxt/list.ts";

test("the table of exchanges is that of the installed ccxt", async () => {
  expect(exchangeList, "run: node src/venues/ccxt/generate.ts").toEqual(await describeExchanges());
});

test("every exchange asks for at least one field and reads balances", () => {
  for (const { id, fields, operations } of exchangeList) {
    expect(fields.length, id).toBeGreaterThan(0);
    expect(operations, id).toContain("fetchBalance");
  }
});

test("an exchange whose reads need no signature is known as such", () => {
  const unprovable = exchangeList.filter((it) => !it.provable).map(({ id }) => id);
  expect(unprovable).toContain("hyperliquid");
  expect(unprovable).not.toContain("kraken");
});
