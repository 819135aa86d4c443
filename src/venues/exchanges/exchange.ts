import type { KeyKind } from "../../crypto/private-key.ts";
import type { ApiRequest } from "../ccxt/instance.ts";
import type { Dialect } from "../interpret.ts";
import type { Environment, FieldName, OperationClass, VenueDescription } from "../venue.ts";
import type { AccountFacts, Permissions } from "../verdict.ts";
import type { KeyIssuing } from "./key-issuing.ts";

/** How ccxt reaches an environment: its sandbox hosts or header, its demo hosts, or neither. */
export type Mode = "live" | "sandbox" | "demo";

/** What a key-information answer says. */
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

/** How the signer of a venue wants a private key to be written. */
export type KeySpelling =
  | "PKCS#8 in PEM"
  | "SEC 1 in PEM"
  | "base64 of PKCS#8"
  | "base64 of the seed"
  | "base64 of the seed and the public key";

/** What a field of a secret may hold, where a venue takes something else than a text that it made itself. */
export type FieldForm = Readonly<{
  /** Private keys that are taken, each with the spelling for the signer. */
  keys?: Readonly<Partial<Record<KeyKind, KeySpelling>>>;
  /** Private keys are also taken as base64 without their PEM lines, because the venue hands them out so. */
  bare?: true;
  /** What else is taken. A text when left out. */
  otherwise?: "text" | "base64" | "nothing";
}>;

/** A venue's own rule about how long a key lives, which an inspection may not show. */
export type Lifetime = Readonly<{
  days: number;
  /** What the days are counted from; each use begins them anew where it is the last one. */
  from: "creation" | "last_use";
  /** Whether it ends only keys that are bound to no address. */
  unboundOnly: boolean;
  /** The key ends only if it may do one of these; `null` where it ends whatever it may do. */
  may: readonly OperationClass[] | null;
  /** Where this was read. */
  source: string;
}>;

/** What is known of an exchange beside how it answers. */
export type Traits = Readonly<{
  /**
   * What ccxt's `sign` reads, where it is no text: `rsa` gives a text to OpenSSL, `eddsa` takes the bytes
   * from the 16th on of what is between PEM lines, and `ecdsa` takes SEC 1 with all of its four parts alone
   * (ccxt `base/functions/{rsa,crypto}.js`).
   */
  fields?: Readonly<Partial<Record<FieldName, FieldForm>>>;
  /** Left out where the venue says nothing that could be cited. */
  lifetime?: Lifetime;
  /** ccxt puts its name into `tag`, which elsewhere belongs to the address of a withdrawal. */
  marksTag?: true;
  /**
   * ccxt's option for the address of the wallet. Its `walletAddress` is that of the signer, which follows
   * from the private key.
   */
  walletOption?: string;
  /** The sandbox hosts that ccxt declares are those of another exchange, which knows no key of this one. */
  foreignSandbox?: true;
  /**
   * Everything that the exchange does is this request, so ccxt reaches it from reads as well, on the way to a
   * fee for its authors.
   */
  onlyRequest?: string;
}>;

/** Everything Keyhold knows about one exchange beyond what ccxt does. */
export type KnownExchange = Traits &
  Readonly<{
    id: string;
    environments: Readonly<Partial<Record<Environment, Mode>>>;
    reports: VenueDescription["reports"];
    risingNonce: boolean;
    probes(mode: Mode): readonly [Probe, ...Probe[]];
    dialect: Dialect;
    /** Options of ccxt that it would otherwise find out with a credential's own requests. */
    options?: object;
    clientOrderIds: ClientOrderIds;
    /** Its requests were classed one by one. */
    requests: Readonly<{
      /** `<name>.json` beside this file: first the table of the API that it speaks, then what is its own. */
      tables: readonly [string, ...string[]];
      /**
       * Accounts of one owner between which ccxt's `transfer` moves money, under ccxt's names; `null` where
       * it takes ids of accounts, of which no list can say whose they are. Left out are accounts that need a
       * symbol beside them (isolated margin) and those that pay others (P2P, mining pools).
       */
      transferAccounts: readonly string[] | null;
    }>;
    /** Left out where its API makes and deletes no keys. */
    issuing?: KeyIssuing;
  }>;

/**
 * An exchange with the API of another one, at hosts or with markets of its own. In ccxt its class derives
 * from the class of that one. Keys are not made there.
 */
export function sisterOf(
  { issuing: _issuing, ...shared }: KnownExchange,
  own: Pick<KnownExchange, "id"> & Partial<Omit<KnownExchange, "issuing">>,
): KnownExchange {
  return { ...shared, ...own };
}

export const asIs = (clientOrderId: string): string => clientOrderId;

/** The look-up most exchanges share: ccxt's `fetchOrder` with the client order id as an option. */
export const findByOption: ClientOrderIds["find"] = (ask, { clientOrderId, symbol }) =>
  ask("fetchOrder", undefined, symbol, { clientOrderId });
