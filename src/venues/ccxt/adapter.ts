import type { Adapter, VenueCall } from "../adapter.ts";
import type { KnownExchange, Mode, Probe } from "../exchanges/exchange.ts";
import { exchangeTable } from "../exchanges/index.ts";
import { interpret, unknownMeaning } from "../interpret.ts";
import { nonceSpent, refusal } from "../outcomes.ts";
import { Withheld } from "../process/bounded-fetch.ts";
import type { Environment, VenueDescription } from "../venue.ts";
import type { Verdict } from "../verdict.ts";
import { inspectByBalance, learnRefusal } from "./balance.ts";
import { openExchange, signedRequest } from "./exchange.ts";
import { namedPermit } from "./gate.ts";
import type { Exchange } from "./instance.ts";
import { findOrder, invokeOperation } from "./invoke.ts";
import { type ExchangeFacts, sistersOf } from "./list.ts";
import type { Markets } from "./markets.ts";
import { type Nonces, overtaking } from "./nonces.ts";

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
      reports: row.reports,
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

/**
 * Any other exchange of ccxt: its key is proved by reading the balance, and nothing is known of its rights.
 */
export function generalAdapter(facts: ExchangeFacts, markets: Markets): Adapter {
  const { id } = facts;
  const environments: KnownExchange["environments"] = facts.sandbox
    ? { live: "live", testnet: "sandbox" }
    : { live: "live" };
  const caller = { id, dialect: null, clientOrderIds: null, markets };
  const mode = (environment: Environment) => modeOf(environments, environment);
  return {
    description: {
      id,
      name: facts.name,
      environments: environmentsOf(environments),
      fields: facts.fields,
      provable: facts.provable,
      reports: { permissions: false, boundIps: false, expiry: false, account: false },
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

function naming(call: VenueCall, id: string): VenueCall {
  return { ...call, speaker: { ...call.speaker, sisters: sistersOf(id) } };
}

function transfersOf(id: string): Pick<VenueDescription, "transferAccounts"> {
  const transferAccounts = exchangeTable.get(id)?.requests.transferAccounts ?? null;
  return transferAccounts === null ? {} : { transferAccounts };
}

function environmentsOf(modes: KnownExchange["environments"]): readonly Environment[] {
  return (["live", "paper", "testnet"] as const).filter((environment) => modes[environment] !== undefined);
}

/** Throws `RangeError` for an environment that the description does not list. */
function modeOf(modes: KnownExchange["environments"], environment: Environment): Mode {
  const mode = modes[environment];
  if (mode === undefined) throw new RangeError(`no environment ${environment} here`);
  return mode;
}

/**
 * Asks the venue's key-information call. ccxt only signs: the answer is read here, because its error classes
 * blur what the venue's codes separate.
 */
async function inspectKey(row: KnownExchange, mode: Mode, call: VenueCall): Promise<Verdict> {
  const attempt = (nonces: Nonces) => probe(row, mode, call, nonces);
  return overtaking<Verdict>(row.id, call, attempt, () => nonceSpent(call.speaker));
}

async function probe(row: KnownExchange, mode: Mode, call: VenueCall, nonces: Nonces): Promise<Verdict> {
  const permit = await namedPermit(row.id, "read");
  const { fields, send } = call;
  const exchange = await openExchange(row.id, mode, { fields, send, permit, nonces });
  let verdict: Verdict | "elsewhere" = "elsewhere";
  for (const one of row.probes(mode)) {
    verdict = await ask(row, one, exchange, call);
    if (verdict !== "elsewhere") return verdict;
  }
  return refusal(call.speaker, "unexpected_answer");
}

/** What the signer said may quote the credential. */
const unsigned =
  "It cannot be signed with: see that each field is whole, and none stands where another belongs.";

async function ask(
  row: KnownExchange,
  probe: Probe,
  exchange: Exchange,
  call: VenueCall,
): Promise<Verdict | "elsewhere"> {
  const request = trySign(exchange, probe, call);
  if (request === undefined) return refusal(call.speaker, "malformed", { hint: unsigned });
  const reading = interpret(row.dialect, await call.send(request));
  if (reading.kind !== "success") {
    const { code } = reading.said;
    if (code !== undefined && probe.elsewhere?.includes(code) === true) return "elsewhere";
    const meaning = reading.kind === "known" ? reading.meaning : unknownMeaning(reading.said);
    return refusal(call.speaker, meaning, reading.said);
  }
  const information = probe.read(reading.json, call.fields);
  return information === undefined
    ? refusal(call.speaker, "unexpected_answer")
    : { outcome: "valid", ...information };
}

/**
 * Nothing but the credential varies in what is signed here, so what cannot be signed is a malformed
 * credential.
 */
function trySign(exchange: Exchange, probe: Probe, call: VenueCall) {
  try {
    return signedRequest(exchange, probe.request(call.fields));
  } catch (error) {
    if (error instanceof Withheld) throw error;
    return undefined;
  }
}
