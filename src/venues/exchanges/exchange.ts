import type { Dialect } from "../interpret.ts";
import type { FieldName, VenueDescription } from "../venue.ts";
import type { AccountFacts, Permissions } from "../verdict.ts";
import type { Mode, Modes } from "../ccxt/exchange.ts";

/** A request of the venue's own API, as ccxt's `sign` takes it. */
type ApiRequest = Readonly<{
  api: string | readonly string[];
  path: string;
  method: "GET" | "POST";
  params?: Readonly<Record<string, string>>;
}>;

/** What a key-information answer tells. */
export type KeyInformation = Readonly<{
  permissions: Permissions;
  expiresAt: string | null;
  expiresWithinMs?: number;
  account: AccountFacts;
}>;

/** One way to ask a venue about a key: exactly one request. */
export type Probe = Readonly<{
  request(fields: ReadonlyMap<FieldName, string>): ApiRequest;
  /** Reads a success; `undefined` where its shape is not the documented one, which is never a valid key. */
  read(json: unknown, fields: ReadonlyMap<FieldName, string>): KeyInformation | undefined;
  /** Error codes that say the key is to be asked by the next probe. */
  elsewhere?: readonly string[];
}>;

/** Calls a unified method of ccxt. */
export type Ask = (method: string, ...parameters: readonly unknown[]) => Promise<unknown>;

/** How orders carry an id of the client's choice, and how one is found by it. */
export type ClientOrderIds = Readonly<{
  /** The option of ccxt's `createOrder` that takes it. */
  option: string;
  /** The venue's form of Keyhold's 32 hexadecimal characters. */
  format(clientOrderId: string): string;
  /** The unified order; `null` where the answer was a list without it, or a code of `absentCodes`. */
  find(ask: Ask, order: Readonly<{ clientOrderId: string; symbol: string }>): Promise<unknown>;
  /** Codes by which the venue says that it knows no such order. */
  absentCodes: readonly string[];
}>;

/** Everything Keyhold knows about one exchange beyond what ccxt does. */
export type ExchangeRow = Readonly<{
  id: string;
  environments: Modes;
  tells: VenueDescription["tells"];
  risingNonce: boolean;
  probes(mode: Mode): readonly [Probe, ...Probe[]];
  dialect: Dialect;
  /** Options of ccxt that it would otherwise find out with a credential's own requests. */
  options?: object;
  clientOrderIds: ClientOrderIds;
}>;

export const asIs = (clientOrderId: string): string => clientOrderId;

/** The look-up most exchanges share: ccxt's `fetchOrder` with the client order id as an option. */
export const findByOption: ClientOrderIds["find"] = (ask, { clientOrderId, symbol }) =>
  ask("fetchOrder", undefined, symbol, { clientOrderId });
