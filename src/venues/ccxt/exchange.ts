import type { VenueCall } from "../adapter.ts";
import type { Mode } from "../exchanges/exchange.ts";
import { traitsOf } from "../exchanges/index.ts";
import type { HttpRequest } from "../process/bounded-fetch.ts";
import type { FieldName } from "../venue.ts";
import { Gate, type Permit } from "./gate.ts";
import type { ApiRequest, Exchange, Signed } from "./instance.ts";
import type { Nonces } from "./nonces.ts";

/** ccxt's names of credential parts, beside ours. */
export const credentialNames = {
  apiKey: "api_key",
  secret: "api_secret",
  password: "passphrase",
  uid: "uid",
  walletAddress: "wallet_address",
  privateKey: "private_key",
  token: "token",
  accountId: "uid",
} as const satisfies Readonly<Record<string, FieldName>>;

const base = import.meta.resolve("ccxt");

/**
 * A new instance for one call: ccxt keeps state of a credential in it (Binance's "has already authenticated"
 * turns a later bad key into a rate limit), so none is ever used for two. It sends what `permit` names and
 * nothing else.
 */
export async function openExchange(
  id: string,
  mode: Mode,
  setup: Readonly<{
    fields: ReadonlyMap<FieldName, string>;
    send: VenueCall["send"];
    permit: Permit;
    options?: object;
    nonces?: Nonces;
  }>,
): Promise<Exchange> {
  const gate = new Gate(setup.permit);
  const Exchange = await exchangeClass(id);
  const credentials = Object.fromEntries(
    Object.entries(credentialNames).flatMap(([name, field]) => {
      const value = setup.fields.get(field);
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const exchange = new Exchange({
    enableRateLimit: false,
    fetchImplementation: fetchThrough(gate.guard(setup.send)),
    options: setup.options ?? {},
    ...credentials,
  });
  completeCredential(exchange, id);
  removeMarkers(exchange, id);
  setup.nonces?.giveTo(exchange);
  gate.watch(exchange);
  if (mode === "sandbox") exchange.setSandboxMode(true);
  if (mode === "demo") exchange.enableDemoTrading(true);
  return exchange;
}

/**
 * Where a credential names its wallet and ccxt wants that as an option, the address of the signer is made
 * from the private key. It is another one.
 */
export function completeCredential(
  exchange: Pick<Exchange, "options" | "walletAddress" | "privateKey" | "ethGetAddressFromPrivateKey">,
  id: string,
): void {
  const { walletAddress, privateKey } = exchange;
  const { walletOption } = traitsOf(id);
  if (walletOption === undefined || walletAddress === undefined || privateKey === undefined) return;
  exchange.options[walletOption] = walletAddress;
  exchange.walletAddress = exchange.ethGetAddressFromPrivateKey(privateKey);
}

/**
 * Signs one request of the venue's own API without sending it. Throws `Withheld` for what the exchange may
 * not send.
 */
export function signedRequest(exchange: Exchange, request: ApiRequest): HttpRequest {
  const signed = exchange.sign(request.path, request.api, request.method, request.params ?? {});
  return toRequest(signed.url, { ...signed, headers: { ...exchange.headers, ...signed.headers } });
}

/** Loads the code of an exchange, which takes the event loop for a while the first time. */
export async function loadExchange(id: string): Promise<void> {
  await exchangeClass(id);
}

/** One module per exchange, by its path: importing ccxt whole costs four times the memory and time. */
async function exchangeClass(id: string): Promise<new (config: object) => Exchange> {
  const module: unknown = await import(new URL(`./src/${id}.js`, base).href);
  if (!hasDefaultClass(module)) throw new TypeError(`ccxt has no exchange ${id}`);
  return module.default;
}

function hasDefaultClass(module: unknown): module is { default: Awaited<ReturnType<typeof exchangeClass>> } {
  return (
    typeof module === "object" &&
    module !== null &&
    "default" in module &&
    typeof module.default === "function"
  );
}

function fetchThrough(send: VenueCall["send"]) {
  return async (url: string, parameters: Omit<Signed, "url">): Promise<Response> => {
    const answer = await send(toRequest(url, parameters));
    const bodiless = answer.status === 204 || answer.status === 205;
    return new Response(bodiless ? null : answer.body, {
      status: answer.status,
      headers: [...answer.headers].filter(([name]) => name !== "content-encoding"),
    });
  };
}

function toRequest(url: string, { method, headers, body }: Omit<Signed, "url">): HttpRequest {
  const kept = Object.entries(headers ?? {}).flatMap(([name, value]) =>
    value === undefined || isMarkerHeader(name) ? [] : [[name, String(value)] as const],
  );
  return {
    method,
    url,
    headers: Object.fromEntries(kept),
    ...(typeof body === "string" ? { body } : {}),
  };
}

// ccxt earns a share of what its users pay: it approves fees for its authors, names a referrer, and marks
// orders and headers as its own. Keyhold's users agreed to none of that.

/**
 * Takes the place of a broker's id at the front of an order id, where ccxt would put its own if there were
 * none.
 */
const neutral = "k";

const optionsWithoutMarks = {
  builderFee: false,
  builderFeeRate: "0",
  brokerId: neutral,
};

const brokerOptions = ["broker", "brokerId", "builderId", "builderCode", "partner"];

/** Steps that approve a fee or name a referrer. Hyperliquid takes them even where the fee is switched off. */
const approvals = ["handleBuilderFeeApproval", "setRef", "approveBuilderFee", "approveBuilderCode"];

/** Parameters of a request that name ccxt. No parameter of an operation has one of these names. */
const markerParameters: ReadonlySet<string> = new Set([
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
const markerHeaders: ReadonlySet<string> = new Set([
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
function isMarkerHeader(name: string): boolean {
  return markerHeaders.has(name.toLowerCase());
}

/** Switches off what an exchange of ccxt does for its authors. */
function removeMarkers(exchange: Exchange, id: string): void {
  for (const name of brokerOptions) {
    if (name in exchange.options) exchange.options[name] = neutralised(exchange.options[name]);
  }
  Object.assign(exchange.options, optionsWithoutMarks);
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
  const isMarker = (name: string) => markerParameters.has(name) || (hasTag && name === "tag");
  if (!Object.keys(value).some(isMarker)) return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => !isMarker(name)));
}
