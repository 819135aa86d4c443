import type { KeyFacts } from "./exchange.ts";

const base64: KeyFacts = { fields: { api_secret: { otherwise: "base64" } } };

/** What is known of the keys of exchanges beside those that have a file here, by the id of ccxt. */
export const otherExchanges: Readonly<Record<string, KeyFacts>> = {
  backpack: { fields: { api_secret: { keys: { Ed25519: "base64 of the seed" }, otherwise: "base64" } } },
  bingx: {
    lifetime: {
      days: 14,
      from: "last_use",
      unboundOnly: true,
      may: ["trade", "transfer"],
      source: "https://bingx.pro/de-de/accounts/api",
    },
  },
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
  htx: {
    lifetime: {
      days: 90,
      from: "last_use",
      unboundOnly: true,
      may: ["trade", "withdraw"],
      source: "https://www.htx.com/en-us/apikey",
    },
  },
  krakenfutures: base64,
  lbank: { fields: { api_secret: { keys: { RSA: "base64 of PKCS#8" }, bare: true } } },
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
