import { randomBytes } from "node:crypto";
import type { Exchange } from "../../../../src/venues/ccxt/instance.ts";
import { exchangeList } from "../../../../src/venues/ccxt/list.ts";
import { Withheld, type HttpRequest } from "../../../../src/venues/process/bounded-fetch.ts";
import type { FieldName } from "../../../../src/venues/venue.ts";

/** Calls operations of every exchange of ccxt with answers of a pretended venue, and keeps what is sent. */
export type Sent = Readonly<{ id: string; operation: string; request: HttpRequest }>;

export type Open = (
  call: Readonly<{ id: string; operation: string }>,
  fields: ReadonlyMap<FieldName, string>,
  send: (request: HttpRequest) => Response,
) => Promise<Exchange>;

/** What venues say, roughly: ccxt reads on in most of them where a bare `{}` would end the call. */
const answers = [
  {
    status: "ok",
    code: 0,
    success: true,
    result: { list: [] },
    data: { account: "1", list: [] },
    access_token: "t",
    response: { type: "default", data: { statuses: [{ resting: { oid: 1 } }] } },
  },
  [{ id: "1", account_id: "1", accountId: "1", type: "spot", "account-id": "1", currency: "BTC" }],
];

const market = {
  id: "BTCUSDT",
  symbol: "BTC/USDT",
  base: "BTC",
  quote: "USDT",
  baseId: "BTC",
  quoteId: "USDT",
  active: true,
  type: "spot",
  spot: true,
  margin: false,
  swap: false,
  contract: false,
  precision: { amount: 0.0001, price: 0.01, cost: 0.01 },
  limits: { amount: {}, price: {}, cost: {} },
  info: {},
};
const swap = {
  ...market,
  id: "BTCUSDC",
  symbol: "BTC/USDC:USDC",
  quote: "USDC",
  quoteId: "USDC",
  settle: "USDC",
  settleId: "USDC",
  baseId: "0",
  type: "swap",
  spot: false,
  swap: true,
  contract: true,
  linear: true,
  inverse: false,
  contractSize: 1,
};
const currencies = Object.fromEntries(
  ["BTC", "USDT", "USDC"].map((code) => [code, { id: code, code, precision: 1e-8, networks: {}, info: {} }]),
);

const address = `0x${"cd".repeat(20)}`;

/** Arguments of the unified methods, by market. */
function argumentsOf(operation: string, symbol: string): unknown[] {
  switch (operation) {
    case "fetchBalance":
    case "fetchStatus":
    case "fetchPositions":
      return [];
    case "fetchOrder":
    case "cancelOrder":
      return ["42", symbol];
    case "createOrder":
      return [symbol, "limit", "buy", 1, 10_000, {}];
    case "transfer":
      return ["USDC", 1, "spot", "swap"];
    case "withdraw":
      return ["USDC", 1, address, undefined, { network: "ERC20" }];
    default:
      return [symbol];
  }
}

/** `word` stands in each field that is sent as it is. */
function credentials(word: string) {
  const text = `${word}${randomBytes(24).toString("hex")}`;
  const fields = new Map<FieldName, string>([
    ["api_key", `account-${text}`],
    ["api_secret", randomBytes(48).toString("base64")],
    ["passphrase", text],
    ["uid", "12345"],
    ["wallet_address", `0x${randomBytes(20).toString("hex")}`],
    ["private_key", `0x${randomBytes(32).toString("hex")}`],
    ["token", text],
  ]);
  // Solana's exchanges take 64 bytes in base 58.
  const solana = new Map<FieldName, string>([...fields, ["private_key", "4".repeat(88)]]);
  return [fields, solana] as const;
}

/** What `open`'s exchanges send for these operations, and which operations met a request that was withheld. */
export async function sweep(
  open: Open,
  isWanted: (id: string, operation: string) => boolean,
  word = "",
): Promise<Readonly<{ sent: readonly Sent[]; withheld: ReadonlySet<string> }>> {
  const sent: Sent[] = [];
  const withheld = new Set<string>();
  for (const { id, fields: names, operations } of exchangeList) {
    const [usual, solana] = credentials(word);
    const keys = names.includes("private_key") ? [usual, solana] : [usual];
    for (const operation of operations.filter((name) => isWanted(id, name))) {
      const isOrder = operation === "createOrder";
      for (const fields of keys) {
        for (const answer of isOrder ? answers : answers.slice(0, 1)) {
          for (const symbol of isOrder ? [market.symbol, swap.symbol] : [swap.symbol]) {
            await run(id, operation, { fields, symbol, answer });
          }
        }
      }
    }
  }
  return { sent, withheld };

  async function run(
    id: string,
    operation: string,
    {
      fields,
      symbol,
      answer,
    }: Readonly<{ fields: ReadonlyMap<FieldName, string>; symbol: string; answer: unknown }>,
  ): Promise<void> {
    try {
      const exchange = await open({ id, operation }, fields, (request) => {
        sent.push({ id, operation, request });
        return Response.json(answer);
      });
      Reflect.apply(Reflect.get(exchange, "setMarkets"), exchange, [[market, swap], currencies]);
      await Reflect.apply(Reflect.get(exchange, operation), exchange, argumentsOf(operation, symbol));
    } catch (error) {
      // Whatever else ccxt makes of such answers: what was sent until then counts.
      if (error instanceof Withheld) withheld.add(`${id} ${operation}`);
    }
  }
}
