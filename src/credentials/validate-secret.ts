import { assertScope, type Principal } from "../access/principal.ts";
import { type Answered, change } from "../audit/change.ts";
import type { Environment, SecretFields } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { inspect, venueOf } from "./inspect.ts";
import { assertFields } from "./secret-fields.ts";
import { describe, type Validation } from "./consult.ts";

/**
 * The verdict about a secret that is not kept: nothing but the outcome is recorded. Throws `malformed` for an unknown venue or
 * fields that do not fit it.
 */
export async function validateSecret(
  custody: Custody,
  principal: Principal,
  input: Readonly<{ venue: string; environment: Environment; fields: SecretFields }>,
): Promise<Answered<Validation>> {
  assertScope(principal, "credentials:validate");
  const venue = venueOf(custody, input.venue, input.environment);
  assertFields(venue.description, input.fields);
  const verdict = await inspect(custody, venue, { ...input, tenantId: principal.tenantId });
  const detail = { venue: venue.description.id, environment: input.environment, outcome: verdict.outcome };
  return change(custody.db, principal, () =>
    Promise.resolve({ value: describe(verdict), events: [{ event: "credential.checked", detail }] }),
  );
}
