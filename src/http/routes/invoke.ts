import { z } from "zod";
import { invoke as invokeOperation } from "../../credentials/invoke.ts";
import { type Operation, operations } from "../../venues/operations.ts";
import { json } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, idParams, showExamples } from "../schemas.ts";
import { opening } from "./credential-uses.ts";
import type { Parts } from "./kinds.ts";
import { paramsSchema } from "./venues.ts";

const order = { id: "28457", symbol: "BTC/USDT", side: "buy", amount: 0.01, status: "open" };
const oneOrder = { params: { id: "28457", symbol: "BTC/USDT" }, result: order };
const orders = { params: { symbol: "BTC/USDT", limit: 20 }, result: [order] };

/** An example of the parameters and the result of each operation. */
const examples: Readonly<Record<string, Readonly<{ params: object; result: unknown }>>> = {
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
 * The body of an invoke in the document: one shape for each operation. The service itself uses the list of
 * the venue.
 */
export function describeInvocation(): Record<string, unknown> {
  return {
    oneOf: operations.map((operation) => ({
      // Generators name a type by its title, and the operation `account` is not an account.
      title: `Invoke ${operation.name}`,
      description: `Class ${operation.class}${operation.class === "read" ? "" : ", requires an Idempotency-Key"}`,
      type: "object",
      additionalProperties: false,
      required: ["operation", ...(needsParams(operation) ? ["params"] : [])],
      properties: { operation: { type: "string", const: operation.name }, params: paramsSchema(operation) },
    })),
  };
}

/** Whether the operation has a required parameter. */
function needsParams({ params }: Operation): boolean {
  return !params.safeParse({}).success;
}

const invocation = component(
  "Invocation",
  z.strictObject({
    operation: z
      .string()
      .regex(/^[A-Za-z]{1,64}$/, { message: "is not the name of an operation" })
      .meta({ description: "An operation of the venue. `GET /api/v1/venues` lists them" }),
    params: z
      .record(z.string().max(64), z.unknown())
      .default({})
      .meta({ description: "The parameters of the operation" }),
  }),
  { operation: "fetchBalance", params: {} },
);

const invoked = component(
  "Invoked",
  z.object({
    outcome: z.enum(["done", "outcome_unknown"]),
    operation: z.string(),
    result: z.unknown().meta({ description: "The response of the venue" }),
    message: z.string().nullable(),
    client_order_id: z.string().nullable().meta({
      description: "Identifies the order at the venue; null if the venue cannot look orders up by such an id",
    }),
  }),
  answerOf("fetchBalance", { total: { USDT: 1000 } }),
);

function answerOf(operation: string, result: unknown) {
  const client_order_id = operation === "createOrder" ? "5f0c9a2b7d1e4c83a6b1d20f9e7c4a55" : null;
  return { outcome: "done" as const, operation, result, message: null, client_order_id };
}

showExamples(invocation, examples, ({ params }, operation) => ({ operation, params }));
showExamples(invoked, examples, ({ result }, operation) => answerOf(operation, result));

function invoke({ custody }: Parts): Route {
  return route({
    effect: "uses",
    method: "POST",
    path: "/api/v1/credentials/:id/invoke",
    operationId: "invokeOperation",
    tag: "credentials",
    summary: "Run an operation at the venue",
    description:
      "Keyhold signs and sends the request; the caller never sees the secret. Every operation except a read requires an Idempotency-Key and is sent only once. If the venue's answer is lost, the outcome is `outcome_unknown`; repeat the request to look the order up.",
    permission: holdersOf("credentials:use"),
    audit: ["credential.used", "credential.invoke_finished", "credential.refused"],
    problems: [
      "unknown_operation",
      "idempotency_key_required",
      "idempotency_in_flight",
      "idempotency_mismatch",
      "venue_refused",
      "request_withheld",
      "venue_rejected",
      "venue_ambiguous",
      "venue_permission",
      "venue_ip",
      "unsendable",
      "no_turn",
      "not_sent",
      "venue_unavailable",
      ...opening,
    ],
    limit: "invokes",
    idempotency: "passed",
    input: z.object({ params: idParams, body: invocation }),
    answer: json(200, "The response of the venue", invoked),
    handle: ({ caller, input: { params, body }, idempotencyKey }) =>
      invokeOperation(custody, caller, params.id, { ...body, idempotencyKey }),
  });
}

export function invokeRoutes(parts: Parts): readonly Route[] {
  return [invoke(parts)];
}
