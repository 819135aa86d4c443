import { exchangeList } from "../ccxt/list.ts";
import type { KeyDriver } from "../exchanges/key-issuing.ts";
import type { KeyManagement } from "../venue-keys.ts";

/** Throws `RangeError` for a driver of an exchange that ccxt does not have. */
export function describeKeys({
  venue,
  environments,
  longestMarker,
  settlesAfterMs,
}: KeyDriver): KeyManagement {
  const facts = exchangeList.find(({ id }) => id === venue);
  if (facts === undefined) throw new RangeError(`no exchange ${venue}`);
  const { name, fields } = facts;
  return { venue, name, environments, fields, longestMarker, settlesAfterMs };
}
