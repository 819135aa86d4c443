import { traitsOf } from "../exchanges/index.ts";
import type { Exchange } from "./instance.ts";

// ccxt earns a share of what its users pay: it approves fees for its authors, names a referrer, and marks
// orders and headers as its own. Keyhold's users agreed to none of that.

/**
 * Takes the place of a broker's id at the front of an order id, where ccxt would put its own if there were
 * none.
 */
const neutral = "k";

const options = {
  builderFee: false,
  builderFeeRate: "0",
  brokerId: neutral,
};

const brokerOptions = ["broker", "brokerId", "builderId", "builderCode", "partner"];

/** Steps that approve a fee or name a referrer. Hyperliquid takes them even where the fee is switched off. */
const approvals = ["handleBuilderFeeApproval", "setRef", "approveBuilderFee", "approveBuilderCode"];

/** Parameters of a request that name ccxt. No parameter of an operation has one of these names. */
const parameters: ReadonlySet<string> = new Set([
  "brokerId",
  "broker_id",
  "builder",
  "builderFee",
  "builderId",
  "builder_code",
  "channel_code",
  "clientMedia",
  "media",
  "order_tag",
  "referral_code",
]);

/**
 * Headers that hold ccxt's name, a broker's id or a signature made with it. They are known by name alone: a
 * key or a passphrase may hold any word, and one base64 signature in twelve thousand holds the letters of
 * ccxt.
 */
const headers: ReadonlySet<string> = new Set([
  "apca-partner-id",
  "broker-id",
  "broker_sign",
  "hibachi-client",
  "input-source",
  "kc-api-partner",
  "kc-api-partner-sign",
  "kc-api-partner-verify",
  "kc-broker-name",
  "open-api-partner",
  "paradex-partner",
  "partner-id",
  "referer",
  "referrer",
  "user-agent",
  "x-bitopro-api",
  "x-broker-id",
  "x-channel-api-code",
  "x-fb-client",
  "x-fb-client-version",
  "x-gate-channel-id",
  "x-source-key",
]);

/** Whether a header shows the venue that ccxt sent the request. */
export function isMarkerHeader(name: string): boolean {
  return headers.has(name.toLowerCase());
}

/** Switches off what an exchange of ccxt does for its authors. */
export function removeMarkers(exchange: Exchange, id: string): void {
  for (const name of brokerOptions) {
    if (name in exchange.options) exchange.options[name] = neutralised(exchange.options[name]);
  }
  Object.assign(exchange.options, options);
  for (const name of approvals) {
    if (name in exchange) Reflect.set(exchange, name, async () => false);
  }
  const without = <T>(value: T): T => withoutMarkers(value, traitsOf(id).marksTag === true);
  const { json } = exchange;
  const sign = exchange.sign.bind(exchange);
  exchange.sign = (path, api, method, params, ...rest) => sign(path, api, method, without(params), ...rest);
  // Some add their mark while they sign, just before the body is written.
  exchange.json = (value, ...rest) => json(without(value), ...rest);
}

function neutralised(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return neutral;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, neutralised(part)]));
}

function withoutMarkers<T>(value: T, hasTag: boolean): T;
function withoutMarkers(value: unknown, hasTag: boolean): unknown {
  if (Array.isArray(value)) return value.map((part: unknown) => withoutMarkers(part, hasTag));
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype)
    return value;
  const isMarker = (name: string) => parameters.has(name) || (hasTag && name === "tag");
  if (!Object.keys(value).some(isMarker)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !isMarker(name)));
}
