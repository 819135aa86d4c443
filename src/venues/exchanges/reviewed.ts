/** An exchange whose requests were classed one by one. */
export type ReviewedExchange = Readonly<{
  /** The tables of its requests, `<name>.json` beside this file: first that of the API it speaks, then what is its own. */
  tables: readonly [string, ...string[]];
  /**
   * Accounts of one owner between which ccxt's `transfer` moves money, under ccxt's names; `null` where it takes ids of accounts,
   * of which no list can say whose they are. Left out are accounts that need a symbol beside them (isolated margin) and those that
   * pay others (P2P, mining pools).
   */
  transferAccounts: readonly string[] | null;
}>;

const binance: ReviewedExchange = {
  tables: ["binance"],
  transferAccounts: [
    "spot",
    "funding",
    "margin",
    "swap",
    "linear",
    "future",
    "inverse",
    "delivery",
    "option",
  ],
};
const bybit: ReviewedExchange = {
  tables: ["bybit"],
  transferAccounts: ["spot", "funding", "unified", "contract", "swap", "future", "option", "investment"],
};
const okx: ReviewedExchange = {
  tables: ["okx"],
  transferAccounts: ["funding", "trading", "spot", "margin", "swap", "future", "option"],
};
const gate: ReviewedExchange = {
  tables: ["gate"],
  transferAccounts: ["spot", "funding", "swap", "future", "option"],
};

/** By the id of ccxt. An exchange that speaks the API of another one has its table. */
export const reviewedExchanges: ReadonlyMap<string, ReviewedExchange> = new Map<string, ReviewedExchange>([
  ["binance", binance],
  ["binancecoinm", binance],
  ["binanceusdm", binance],
  // It has one account, and ccxt's `transfer` asks Binance's API for wallets, which it lacks.
  ["binanceus", { tables: ["binance", "binanceus"], transferAccounts: null }],
  ["bybit", bybit],
  ["bybiteu", bybit],
  ["bybitid", bybit],
  ["okx", okx],
  ["myokx", okx],
  ["okxus", okx],
  // From the spot wallet only; the way back goes through the exchange `krakenfutures`.
  ["kraken", { tables: ["kraken"], transferAccounts: ["spot", "swap", "future"] }],
  // Portfolios, by their ids.
  ["coinbase", { tables: ["coinbase"], transferAccounts: null }],
  [
    "kucoin",
    {
      tables: ["kucoin"],
      transferAccounts: ["spot", "main", "funding", "margin", "swap", "future", "contract", "hf", "unified"],
    },
  ],
  // Its `transfer` takes the money from the futures account, whatever account is named.
  ["kucoinfutures", { tables: ["kucoin"], transferAccounts: null }],
  [
    "bitget",
    {
      tables: ["bitget"],
      transferAccounts: ["spot", "funding", "cross", "swap", "usdc_swap", "future", "unified"],
    },
  ],
  ["gate", gate],
  ["gateeu", gate],
  ["mexc", { tables: ["mexc"], transferAccounts: ["spot", "swap", "future"] }],
]);
