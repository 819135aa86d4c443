import type { VenueCall } from "../adapter.ts";
import { interpret, unknownMeaning } from "../interpret.ts";
import { nonceSpent, refusal } from "../outcomes.ts";
import type { Verdict } from "../verdict.ts";
import { Withheld } from "../process/withheld.ts";
import { openExchange, signedRequest } from "./exchange.ts";
import type { Exchange } from "./instance.ts";
import { type Nonces, overtaking } from "./nonces.ts";
import { namedPermit } from "./permits.ts";
import type { KnownExchange, Mode, Probe } from "../exchanges/exchange.ts";

/**
 * Asks the venue's key-information call. ccxt only signs: the answer is read here, because its error classes blur
 * what the venue's codes tell apart.
 */
export async function inspectKey(row: KnownExchange, mode: Mode, call: VenueCall): Promise<Verdict> {
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

/** Nothing but the credential varies in what is signed here, so what cannot be signed is a malformed credential. */
function trySign(exchange: Exchange, probe: Probe, call: VenueCall) {
  try {
    return signedRequest(exchange, probe.request(call.fields));
  } catch (error) {
    if (error instanceof Withheld) throw error;
    return undefined;
  }
}
