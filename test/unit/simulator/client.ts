import type { Exchange } from "ccxt";
import type { Environment } from "../../../simulator/accounts.ts";
import type { IssuedKey } from "../../../simulator/control.ts";
import type { Simulator } from "../../../simulator/simulator.ts";

/** A request as a client sent it, or would have. */
export type Sent = Readonly<{
  method: string;
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string | undefined;
}>;

type FetchInit = { method: string; headers: Record<string, string>; body?: string };

type ExchangeClass<E extends Exchange> = new (config: Record<string, unknown>) => E;

export type Client<E extends Exchange> = Readonly<{
  exchange: E;
  /** Signs what `call` asks for and hands it over instead of sending it. */
  signed(call: (exchange: E) => Promise<unknown>): Promise<Sent>;
}>;

/**
 * ccxt with its own signing, talking to the simulator: only scheme and host of its URLs are replaced, which no
 * venue but Coinbase signs (and there ccxt signs the venue's own host).
 */
export function clientOf<E extends Exchange>(
  venueClass: ExchangeClass<E>,
  simulator: Simulator,
  key: IssuedKey,
  config: Record<string, unknown> = {},
): Client<E> {
  let held: Sent | undefined;
  let holding = false;
  const exchange = new venueClass({
    apiKey: key.apiKey,
    secret: key.apiSecret,
    ...(key.passphrase !== undefined && { password: key.passphrase }),
    enableRateLimit: false,
    fetchImplementation: (url: string, init: FetchInit) => {
      const sent = toSimulator(simulator, key.venue, key.environment, url, init);
      if (!holding) return send(sent);
      held = sent;
      throw new TypeError("held back by the test");
    },
    ...config,
  });
  const signed = async (call: (exchange: E) => Promise<unknown>): Promise<Sent> => {
    holding = true;
    await call(exchange).catch(() => undefined);
    holding = false;
    if (held === undefined) throw new Error("nothing was signed");
    return held;
  };
  return { exchange, signed };
}

function toSimulator(
  simulator: Simulator,
  venue: IssuedKey["venue"],
  environment: Environment,
  url: string,
  { method, headers, body }: FetchInit,
): Sent {
  const { origin } = new URL(url);
  return { method, url: simulator.url(venue, environment) + url.slice(origin.length), headers, body };
}

export const send = ({ method, url, headers, body }: Sent): Promise<Response> =>
  fetch(url, { method, headers, ...(body !== undefined && body !== "" && { body }), redirect: "manual" });
