/** An exchange whose requests were classed one by one. */
export type ReviewedExchange = Readonly<{
  /** The table of its requests: `<table>.json` beside this file. */
  table: string;
  /**
   * Accounts of one owner between which ccxt's `transfer` moves money, under ccxt's names; `null` where it takes ids of accounts,
   * of which no list can say whose they are. Left out are accounts that need a symbol beside them (isolated margin) and those that
   * pay others (P2P, mining pools).
   */
  transferAccounts: readonly string[] | null;
}>;

const binance: ReviewedExchange = {
  table: "binance",
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

/** By the id of ccxt. It opens Binance's futures as exchanges of their own, with the same API. */
export const reviewedExchanges: ReadonlyMap<string, ReviewedExchange> = new Map([
  ["binance", binance],
  ["binancecoinm", binance],
  ["binanceusdm", binance],
  [
    "bybit",
    {
      table: "bybit",
      transferAccounts: ["spot", "funding", "unified", "contract", "swap", "future", "option", "investment"],
    },
  ],
  [
    "okx",
    {
      table: "okx",
      transferAccounts: ["funding", "trading", "spot", "margin", "swap", "future", "option"],
    },
  ],
  // From the spot wallet only; the way back goes through the exchange `krakenfutures`.
  ["kraken", { table: "kraken", transferAccounts: ["spot", "swap", "future"] }],
  // Portfolios, by their ids.
  ["coinbase", { table: "coinbase", transferAccounts: null }],
  [
    "kucoin",
    {
      table: "kucoin",
      transferAccounts: ["spot", "main", "funding", "margin", "swap", "future", "contract", "hf", "unified"],
    },
  ],
  [
    "bitget",
    {
      table: "bitget",
      transferAccounts: ["spot", "funding", "cross", "swap", "usdc_swap", "future", "unified"],
    },
  ],
  ["gate", { table: "gate", transferAccounts: ["spot", "funding", "swap", "future", "option"] }],
  ["mexc", { table: "mexc", transferAccounts: ["spot", "swap", "future"] }],
]);
