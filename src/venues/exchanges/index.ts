import { binance, binancecoinm, binanceus, binanceusdm } from "./binance.ts";
import { bitget } from "./bitget.ts";
import { bybit, bybiteu, bybitid } from "./bybit.ts";
import { coinbase } from "./coinbase.ts";
import type { KnownExchange, Traits } from "./exchange.ts";
import { gate, gateeu } from "./gate.ts";
import { kraken } from "./kraken.ts";
import { kucoin, kucoinfutures } from "./kucoin.ts";
import { mexc } from "./mexc.ts";
import { myokx, okx, okxus } from "./okx.ts";

const known: readonly KnownExchange[] = [
  [binance, binanceusdm, binancecoinm, binanceus],
  [bybit, bybiteu, bybitid],
  [okx, myokx, okxus],
  [kraken, coinbase, bitget, mexc],
  [kucoin, kucoinfutures],
  [gate, gateeu],
].flat();

/**
 * The exchanges of which Keyhold knows how they describe a key and how they refuse one, by the id of ccxt.
 */
export const exchangeTable: ReadonlyMap<string, KnownExchange> = new Map(
  known.map((exchange) => [exchange.id, exchange]),
);

/** What is known of a venue; nothing of most. */
export function traitsOf(venue: string): Traits {
  const others = Object.hasOwn(otherExchanges, venue) ? otherExchanges[venue] : undefined;
  return exchangeTable.get(venue) ?? others ?? {};
}

const base64: Traits = { fields: { api_secret: { otherwise: "base64" } } };

/** What is known of exchanges beside those that have a file here, by the id of ccxt. */
export const otherExchanges: Readonly<Record<string, Traits>> = {
  backpack: { fields: { api_secret: { keys: { Ed25519: "base64 of the seed" }, otherwise: "base64" } } },
  bequant: { foreignSandbox: true },
  bingx: {
    lifetime: {
      days: 14,
      from: "last_use",
      unboundOnly: true,
      may: ["trade", "transfer"],
      source: "https://bingx.pro/de-de/accounts/api",
    },
  },
  // Delta's hosts, by a mistake in ccxt.
  blockchaincom: { foreignSandbox: true },
  btcmarkets: base64,
  btcturk: base64,
  coinbaseexchange: base64,
  coinbaseinternational: base64,
  coinex: {
    lifetime: {
      // Three months.
      days: 90,
      from: "creation",
      unboundOnly: true,
      may: null,
      source: "https://docs.coinex.com/api/v2/zh/account/subs/http/create-sub-api",
    },
  },
  cryptomus: { marksTag: true },
  derive: { walletOption: "deriveWalletAddress" },
  fmfwio: { foreignSandbox: true },
  htx: {
    lifetime: {
      days: 90,
      from: "last_use",
      unboundOnly: true,
      may: ["trade", "withdraw"],
      source: "https://www.htx.com/en-us/apikey",
    },
  },
  hyperliquid: { onlyRequest: "private POST exchange" },
  krakenfutures: base64,
  lbank: { fields: { api_secret: { keys: { RSA: "base64 of PKCS#8" }, bare: true } } },
  lighter: { onlyRequest: "public POST sendTx" },
  revolutx: {
    fields: { private_key: { keys: { Ed25519: "PKCS#8 in PEM" }, bare: true, otherwise: "nothing" } },
  },
  upbit: {
    lifetime: {
      // One year, bound or not; it cannot be extended.
      days: 365,
      from: "creation",
      unboundOnly: false,
      may: null,
      source: "https://docs.upbit.com/kr/reference/list-api-keys",
    },
  },
};
