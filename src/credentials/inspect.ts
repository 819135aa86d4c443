import { createHash } from "node:crypto";
import { KeyholdError } from "../errors.ts";
import {
  type CallTarget,
  type Environment,
  environments,
  type FieldName,
  type Venue,
} from "../venues/venue.ts";
import type { Verdict } from "../venues/verdict.ts";
import type { Custody } from "./custody.ts";

/** The venue of this id. Throws `malformed` when there is none, or none of this environment. */
export function venueOf(custody: Pick<Custody, "venues">, id: string, environment: Environment): Venue {
  const venue = custody.venues.get(id);
  if (venue === undefined) {
    throw new KeyholdError("malformed", "Keyhold knows no such venue. GET /api/v1/venues lists them.");
  }
  if (!venue.description.environments.includes(environment)) {
    throw new KeyholdError("malformed", `${venue.description.name} has no ${environment} environment.`, {
      facts: { environments: environments.filter((known) => venue.description.environments.includes(known)) },
    });
  }
  return venue;
}

/** The id under which a venue's credentials are kept, for a present or a former name. */
export function idOfVenue(custody: Pick<Custody, "venues">, name: string): string {
  return custody.venues.get(name)?.description.id ?? name;
}

/**
 * Asks the venue whether the secret works and what it may do. Throws `no_turn`, and never for an answer of
 * the venue.
 */
export async function inspect(
  custody: Pick<Custody, "inspected" | "turns">,
  venue: Venue,
  target: CallTarget,
): Promise<Verdict> {
  const started = performance.now();
  const verdict = await inTurn(custody, venue, target, () => venue.inspect(target));
  custody.inspected(venue.description.id, verdict, (performance.now() - started) / 1000);
  return verdict;
}

/** The fields that name a key and are no secret themselves. */
const naming: readonly FieldName[] = ["api_key", "uid", "wallet_address"];

/**
 * Makes a call in its turn. Where nonces must rise, two calls at once would spoil each other, so they are
 * made one after the other, in all processes. Each tenant has turns of its own, so that no tenant waits for
 * another that knows its key's name. Throws `no_turn`.
 */
export async function inTurn<T>(
  custody: Pick<Custody, "turns">,
  venue: Venue,
  { tenantId, fields }: Pick<CallTarget, "tenantId" | "fields">,
  call: () => Promise<T>,
): Promise<T> {
  if (!venue.description.risingNonce) return call();
  const hash = createHash("sha256").update(`nonce ${tenantId} ${venue.description.id}`);
  for (const name of naming.filter((one) => venue.description.fields.includes(one))) {
    const field = fields.get(name);
    hash.update(` ${name} ${field?.byteLength ?? 0} `);
    field?.expose((bytes) => hash.update(bytes));
  }
  return custody.turns({ tenantId, key: hash.digest() }, call);
}
