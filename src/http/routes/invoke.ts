import { z } from "zod";
import { type Operation, operations } from "../../venues/operations.ts";
import { operationClasses } from "../../venues/venue.ts";
import { component, listOf, showExamples } from "../components.ts";

type Shown = Readonly<{ params: Readonly<Record<string, unknown>>; result: unknown }>;

const order = { id: "28457", symbol: "BTC/USDT", side: "buy", amount: 0.01, status: "open" };
const oneOrder = { params: { id: "28457", symbol: "BTC/USDT" }, result: order };
const orders = { params: { symbol: "BTC/USDT", limit: 20 }, result: [order] };

/** What each operation is given, and what comes of it. */
const examples: Readonly<Record<string, Shown>> = {
  account: { params: {}, result: { id: "904837e3", cash: "100000", buying_power: "200000" } },
  fetchStatus: { params: {}, result: { status: "ok" } },
  fetchBalance: { params: {}, result: { total: { USDT: 1000 } } },
  fetchPositions: { params: { symbols: ["BTC/USDT:USDT"] }, result: [] },
  fetchTicker: { params: { symbol: "BTC/USDT" }, result: { symbol: "BTC/USDT", last: 50000 } },
  fetchOHLCV: {
    params: { symbol: "BTC/USDT", timeframe: "1h", limit: 1 },
    result: [[1764579600000, 50000, 50100, 49900, 50050, 12.5]],
  },
  fetchOrderBook: {
    params: { symbol: "BTC/USDT", limit: 5 },
    result: { symbol: "BTC/USDT", bids: [[49999, 1]], asks: [[50001, 2]] },
  },
  fetchOrder: oneOrder,
  fetchOrders: orders,
  fetchOpenOrders: orders,
  fetchClosedOrders: orders,
  fetchMyTrades: { params: { symbol: "BTC/USDT" }, result: [{ id: "77", price: 50000, amount: 0.01 }] },
  createOrder: {
    params: { symbol: "BTC/USDT", type: "limit", side: "buy", amount: "0.01", price: "50000" },
    result: order,
  },
  cancelOrder: oneOrder,
  cancelAllOrders: { params: { symbol: "BTC/USDT" }, result: [] },
  transfer: {
    params: { code: "USDT", amount: "100", fromAccount: "spot", toAccount: "funding" },
    result: { id: "9001", status: "ok" },
  },
  withdraw: {
    params: { code: "USDT", amount: "100", address: "TQ5NMqJjhpQGK7YJbESKtNCwmYxmNFwrqz", network: "TRC20" },
    result: { id: "9002" },
  },
};

/**
 * The parameters of an operation as JSON Schema (draft 2020-12). A pattern with classes of Unicode is left out: several languages, Python
 * among them, cannot read it.
 */
export function paramsSchema({ params }: Pick<Operation, "params">): Record<string, unknown> {
  const { $schema: _, ...schema } = z.toJSONSchema(params, {
    io: "input",
    override: ({ jsonSchema }) => {
      if (jsonSchema.pattern?.includes("\\p{") === true) delete jsonSchema.pattern;
    },
  });
  return schema;
}

/** The body of an invoke as the document shows it: one shape for each operation. The service itself judges by the venue's own list. */
export function describeInvocation(): Record<string, unknown> {
  return {
    oneOf: operations.map((operation) => ({
      // Generators name a type by it: the operation `account` is no account.
      title: `Invoke ${operation.name}`,
      description: `Class ${operation.class}${operation.class === "read" ? "" : ", needs an Idempotency-Key"}`,
      type: "object",
      additionalProperties: false,
      required: ["operation", ...(needsParams(operation) ? ["params"] : [])],
      properties: { operation: { type: "string", const: operation.name }, params: paramsSchema(operation) },
    })),
  };
}

/** Whether something must be named. */
function needsParams({ params }: Operation): boolean {
  return !params.safeParse({}).success;
}

export const invocation = component(
  "Invocation",
  z.strictObject({
    operation: z
      .string()
      .regex(/^[A-Za-z]{1,64}$/, { message: "is not the name of an operation" })
      .meta({ description: "One of the venue's operations; `GET /api/v1/venues` lists them" }),
    params: z
      .record(z.string().max(64), z.unknown())
      .default({})
      .meta({ description: "The operation's own parameters" }),
  }),
  { operation: "fetchBalance", params: {} },
);

export const invoked = component(
  "Invoked",
  z.object({
    outcome: z.enum(["done", "outcome_unknown"]),
    operation: z.string(),
    result: z.unknown().meta({ description: "What the venue answered" }),
    message: z.string().nullable(),
    client_order_id: z
      .string()
      .nullable()
      .meta({ description: "By which the order is found at the venue; null where the venue finds none" }),
  }),
  answerOf("fetchBalance", { total: { USDT: 1000 } }),
);

function answerOf(operation: string, result: unknown) {
  const client_order_id = operation === "createOrder" ? "5f0c9a2b7d1e4c83a6b1d20f9e7c4a55" : null;
  return { outcome: "done" as const, operation, result, message: null, client_order_id };
}

showExamples(invocation, examples, ({ params }, operation) => ({ operation, params }));
showExamples(invoked, examples, ({ result }, operation) => answerOf(operation, result));

export const venueOperations = listOf(
  "VenueOperations",
  z.object({
    name: z.string(),
    class: z.enum(operationClasses).meta({
      description: "What the credential's policy must allow; everything above read needs an Idempotency-Key",
    }),
    places_order: z.boolean(),
    params: z
      .record(z.string(), z.unknown())
      .meta({ description: "The parameters as JSON Schema (draft 2020-12)" }),
  }),
  {
    name: "fetchTicker",
    class: "read",
    places_order: false,
    params: {
      type: "object",
      properties: { symbol: { type: "string" } },
      required: ["symbol"],
      additionalProperties: false,
    },
  },
);
