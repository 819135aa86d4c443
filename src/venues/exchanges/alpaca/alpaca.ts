import { z } from "zod";
import type { Adapter, VenueCall } from "../../adapter.ts";
import { ambiguous, type Dialect, interpret, type Interpretation, unknownMeaning } from "../../interpret.ts";
import { newOrderParams, oneOrderParams, windowParams } from "../../operations.ts";
import { refusal } from "../../outcomes.ts";
import type { Environment, Invocation, InvokeResult, VenueDescription } from "../../venue.ts";
import type { Verdict } from "../../verdict.ts";
import { unknownPermissions } from "../permissions.ts";
import { dataHost, marketRead } from "./market-data.ts";
import { showBalance, showOrder, showOrders, showPositions, unsupportedTerm, wireOrder } from "./shapes.ts";

// docs.alpaca.markets: Trading API v2 (account, orders, positions), authentication.

const hosts: Readonly<Partial<Record<Environment, string>>> = {
  live: "https://api.alpaca.markets",
  paper: "https://paper-api.alpaca.markets",
};

const description: VenueDescription = {
  id: "alpaca",
  name: "Alpaca",
  environments: ["live", "paper"],
  fields: ["api_key", "api_secret"],
  provable: true,
  reports: { permissions: false, boundIps: false, expiry: false, account: true },
  risingNonce: false,
  clientOrderIds: true,
  operations: [
    "account",
    "fetchBalance",
    "fetchPositions",
    "fetchTicker",
    "fetchOHLCV",
    "fetchOrderBook",
    "fetchOrder",
    "fetchOrders",
    "fetchOpenOrders",
    "fetchClosedOrders",
    "createOrder",
    "cancelOrder",
  ],
};

const error = z.looseObject({ code: z.number().optional(), message: z.string() });

const dialect: Dialect = {
  error(json, status) {
    if (status < 400) return undefined;
    const { data } = error.safeParse(json);
    return data && { code: String(data.code ?? data.message), text: data.message };
  },
  codes: {
    "40110000": "bad_key",
    // What the API said of a key of the other environment, and says of one that may not reach a call
    // (docs.alpaca.markets: authentication).
    "forbidden.": ambiguous("key", "environment", "permission"),
  },
  // Whatever stands in the body: key and secret go as plain headers, without a signature or a time, and keys
  // are bound to no address. So it is about the credential alone.
  statuses: { 401: "bad_key" },
};

/**
 * Refusals of an action, such as too little buying power; of a mere read only where the key may do nothing.
 */
const actionForbidden = "40310000";

const account = z.looseObject({ id: z.string(), account_number: z.string(), status: z.string() });
const restrictions = ["trading_blocked", "transfers_blocked", "account_blocked", "trade_suspended_by_user"];

/**
 * How the keys of an environment begin, by common knowledge and not by Alpaca's documents: so a hint after a
 * refusal, and no more.
 */
const prefixes: Readonly<Partial<Record<Environment, string>>> = { live: "AK", paper: "PK" };

/** The environment that a refused key seems to be of, if that is another one. */
function otherEnvironment({ environment, fields }: VenueCall): Environment | undefined {
  const key = fields.get("api_key") ?? "";
  return description.environments.find((it) => it !== environment && key.startsWith(prefixes[it] ?? " "));
}

async function inspect(call: VenueCall): Promise<Verdict> {
  const reading = await send(call, { method: "GET", path: "/v2/account" });
  const other = otherEnvironment(call);
  const isOfKey = reading.kind === "known" && ["bad_key", "ambiguous"].includes(reading.meaning);
  if (isOfKey && other !== undefined) {
    const hint = `Keys that begin with ${prefixes[other]} are ${other} keys: register it with the environment ${other}.`;
    return refusal(call.speaker, "wrong_environment", { ...reading.said, hint });
  }
  if (reading.kind !== "success") {
    const limited = reading.kind === "refused" && reading.said.code === actionForbidden;
    const meaning = reading.kind === "known" ? reading.meaning : unknownMeaning(reading.said);
    return refusal(call.speaker, limited ? "insufficient_permission" : meaning, reading.said);
  }
  const { data } = account.safeParse(reading.json);
  if (data === undefined) return refusal(call.speaker, "unexpected_answer");
  return {
    outcome: "valid",
    // Alpaca's keys have no scopes of their own, and no call shows what one may do.
    permissions: unknownPermissions,
    expiresAt: null,
    account: {
      id: data.id,
      number: data.account_number,
      type: call.environment,
      status: data.status,
      blocked: restrictions.filter((name) => data[name] === true),
    },
  };
}

/** What one operation sends, and how its answer is shown; a text says why it cannot be sent at all. */
type Plan = Readonly<{
  method: "GET" | "POST" | "DELETE";
  path: string;
  /** The host of the environment when not given. */
  host?: string;
  body?: object;
  show: (json: unknown) => unknown;
}>;

function plan(invocation: Invocation): Plan | string {
  const read = marketRead(invocation, Date.now());
  if (typeof read === "string") return read;
  return read === undefined ? tradingPlan(invocation) : { method: "GET", host: dataHost, ...read };
}

function tradingPlan({ operation, params, clientOrderId }: Invocation): Plan | string {
  switch (operation) {
    case "account":
      return { method: "GET", path: "/v2/account", show: (json) => account.parse(json) };
    case "fetchBalance":
      return { method: "GET", path: "/v2/account", show: showBalance };
    case "fetchPositions":
      return { method: "GET", path: "/v2/positions", show: showPositions(params["symbols"]) };
    case "fetchOrder":
      return { method: "GET", path: `/v2/orders/${segment(params)}`, show: showOrder };
    case "fetchOrders":
      return listing("all", params);
    case "fetchOpenOrders":
      return listing("open", params);
    case "fetchClosedOrders":
      return listing("closed", params);
    case "createOrder": {
      const terms = newOrderParams.parse(params);
      const unsupported = unsupportedTerm(terms);
      if (unsupported !== undefined) return `orders have no ${unsupported} here`;
      return { method: "POST", path: "/v2/orders", body: wireOrder(terms, clientOrderId), show: showOrder };
    }
    case "cancelOrder":
      return { method: "DELETE", path: `/v2/orders/${segment(params)}`, show: () => ({ id: params["id"] }) };
    default:
      throw new RangeError(`unknown operation ${operation}`);
  }
}

function segment(params: Invocation["params"]): string {
  return encodeURIComponent(oneOrderParams.parse(params).id);
}

function listing(status: string, params: Invocation["params"]): Plan {
  const { symbol, since, limit } = windowParams.parse(params);
  const query = new URLSearchParams({ status });
  if (symbol !== undefined) query.set("symbols", symbol);
  if (since !== undefined) query.set("after", new Date(since).toISOString());
  if (limit !== undefined) query.set("limit", String(Math.min(limit, 500)));
  return { method: "GET", path: `/v2/orders?${query.toString()}`, show: showOrders };
}

async function invoke(call: VenueCall, invocation: Invocation): Promise<InvokeResult> {
  const planned = plan(invocation);
  if (typeof planned === "string") return { outcome: "refused", message: `Alpaca: ${planned}.` };
  return settle(call, await send(call, planned), planned.show);
}

function settle(call: VenueCall, reading: Interpretation, show: Plan["show"]): InvokeResult {
  if (reading.kind === "known") return refusal(call.speaker, reading.meaning, reading.said);
  if (reading.kind === "refused") {
    return { outcome: "refused", message: `Alpaca: ${reading.said.text ?? reading.said.code ?? "refused"}` };
  }
  try {
    return { outcome: "done", result: show(reading.json) };
  } catch {
    // Not the documented shape.
    return refusal(call.speaker, "unexpected_answer");
  }
}

async function send(
  call: VenueCall,
  { method, path, host = hosts[call.environment] ?? "", body }: Omit<Plan, "show">,
): Promise<Interpretation> {
  const answer = await call.send({
    method,
    url: `${host}${path}`,
    headers: {
      "apca-api-key-id": call.fields.get("api_key") ?? "",
      "apca-api-secret-key": call.fields.get("api_secret") ?? "",
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (answer.status === 204) return { kind: "success", json: null };
  return interpret(dialect, answer);
}

export const alpaca: Adapter = {
  description,
  inspect,
  invoke,
  async findOrder(call, { clientOrderId }) {
    const query = new URLSearchParams({ client_order_id: clientOrderId });
    const path = `/v2/orders:by_client_order_id?${query.toString()}`;
    const reading = await send(call, { method: "GET", path });
    const absent = reading.kind !== "success" && reading.said.code === "40410000";
    return absent ? { outcome: "absent" } : settle(call, reading, showOrder);
  },
};
