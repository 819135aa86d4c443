import type { Adapter, VenueCall } from "../adapter.ts";
import { exchangeTable } from "../exchanges/index.ts";
import { withSisters } from "../sisters.ts";
import type { Environment, VenueDescription } from "../venue.ts";
import { inspectByBalance, learnRefusal } from "./general.ts";
import { inspectKey } from "./inspect.ts";
import { findOrder, invokeOperation } from "./invoke.ts";
import type { ExchangeFacts } from "./list.ts";
import type { Markets } from "./markets.ts";
import type { KnownExchange, Mode } from "../exchanges/exchange.ts";

/** An exchange of ccxt that has a row in the table. */
export function rowAdapter(facts: ExchangeFacts, row: KnownExchange, markets: Markets): Adapter {
  const { id, dialect, clientOrderIds, options = {} } = row;
  const caller = { id, dialect, clientOrderIds, options, markets };
  const mode = (environment: Environment) => modeOf(row.environments, environment);
  return {
    description: {
      id,
      name: facts.name,
      environments: environmentsOf(row.environments),
      fields: facts.fields,
      provable: true,
      tells: row.tells,
      risingNonce: row.risingNonce,
      clientOrderIds: true,
      operations: facts.operations,
      ...transfersOf(id),
    },
    inspect: (call) => inspectKey(row, mode(call.environment), naming(call, id)),
    invoke: (call, invocation) => invokeOperation(caller, mode(call.environment), call, invocation),
    findOrder: (call, order) => findOrder(caller, mode(call.environment), call, order),
  };
}

/** Any other exchange of ccxt: its key is proved by reading the balance, and nothing is known of its rights. */
export function generalAdapter(facts: ExchangeFacts, markets: Markets): Adapter {
  const { id } = facts;
  const environments: Modes = facts.sandbox ? { live: "live", testnet: "sandbox" } : { live: "live" };
  const caller = { id, dialect: null, clientOrderIds: null, markets };
  const mode = (environment: Environment) => modeOf(environments, environment);
  return {
    description: {
      id,
      name: facts.name,
      environments: environmentsOf(environments),
      fields: facts.fields,
      provable: facts.provable,
      tells: { permissions: false, boundIps: false, expiry: false, account: false },
      // Many of them count requests with a nonce; ccxt does not say which, and waiting is the safe side.
      risingNonce: true,
      clientOrderIds: false,
      operations: facts.operations,
      ...transfersOf(id),
    },
    inspect: (call) => inspectByBalance(facts, mode(call.environment), naming(call, id)),
    learnRefusal: (call) => learnRefusal(facts, mode(call.environment), call),
    invoke: (call, invocation) => invokeOperation(caller, mode(call.environment), call, invocation),
    findOrder: (call, order) => findOrder(caller, mode(call.environment), call, order),
  };
}

type Modes = KnownExchange["environments"];

function naming(call: VenueCall, id: string): VenueCall {
  return { ...call, speaker: withSisters(call.speaker, id) };
}

function transfersOf(id: string): Pick<VenueDescription, "transferAccounts"> {
  const transferAccounts = exchangeTable.get(id)?.requests.transferAccounts ?? null;
  return transferAccounts === null ? {} : { transferAccounts };
}

function environmentsOf(modes: Modes): readonly Environment[] {
  return (["live", "paper", "testnet"] as const).filter((environment) => modes[environment] !== undefined);
}

/** Throws `RangeError` for an environment that the description does not list. */
function modeOf(modes: Modes, environment: Environment): Mode {
  const mode = modes[environment];
  if (mode === undefined) throw new RangeError(`no environment ${environment} here`);
  return mode;
}
