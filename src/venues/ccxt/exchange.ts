import type { VenueCall } from "../adapter.ts";
import type { Mode } from "../exchanges/exchange.ts";
import { traitsOf } from "../exchanges/index.ts";
import type { ApiRequest } from "../exchanges/request-table.ts";
import type { HttpRequest } from "../process/bounded-fetch.ts";
import type { FieldName } from "../venue.ts";
import { Gate, type Permit } from "./gate.ts";
import type { Exchange, Signed } from "./instance.ts";
import { isMarkerHeader, removeMarkers } from "./markers.ts";
import type { Nonces } from "./nonces.ts";

type ExchangeClass = new (config: object) => Exchange;

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
async function exchangeClass(id: string): Promise<ExchangeClass> {
  const module: unknown = await import(new URL(`./src/${id}.js`, base).href);
  if (!hasDefaultClass(module)) throw new TypeError(`ccxt has no exchange ${id}`);
  return module.default;
}

function hasDefaultClass(module: unknown): module is { default: ExchangeClass } {
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
