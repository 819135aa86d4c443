import { expect, test } from "vitest";
import { describeExchanges } from "../../../../src/venues/ccxt/generate.ts";
import { exchangeList } from "../../../../src/venues/ccxt/list.ts";

test("the table of exchanges is that of the installed ccxt", async () => {
  expect(exchangeList, "run: node src/venues/ccxt/generate.ts").toEqual(await describeExchanges());
});

test("every exchange asks for at least one field", () => {
  expect(exchangeList.filter(({ fields }) => fields.length === 0)).toEqual([]);
});

test("an exchange whose markets are not public has no operations", () => {
  const idle = exchangeList.filter(({ operations }) => operations.length === 0).map(({ id }) => id);
  expect(idle).toContain("mudrex");
  expect(idle).not.toContain("kraken");
});

test("an exchange whose reads need no signature is known as such", () => {
  const unprovable = exchangeList.filter((it) => !it.provable).map(({ id }) => id);
  expect(unprovable).toContain("hyperliquid");
  expect(unprovable).not.toContain("kraken");
});
