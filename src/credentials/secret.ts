import type { Secret } from "../crypto/secret.ts";
import { KeyholdError } from "../errors.ts";
import { problemOf } from "../venues/traits.ts";
import type { FieldName, SecretFields, VenueDescription } from "../venues/venue.ts";

/** Secrets that end with the scope that holds them. */
export class OwnedFields extends Map<FieldName, Secret> implements Disposable {
  [Symbol.dispose](): void {
    for (const secret of this.values()) secret[Symbol.dispose]();
  }
}

/** Copies of the fields, in buffers of their own: the originals may end before the copies. */
export function copyFields(fields: SecretFields): OwnedFields {
  return new OwnedFields([...fields].map(([name, secret]) => [name, secret.copy()]));
}

/**
 * Throws `malformed` unless the fields are those that the venue needs, each of a form that it could accept.
 * The message names fields, never values.
 */
export function assertFields(venue: VenueDescription, fields: SecretFields): void {
  const problems = [
    ...venue.fields.filter((name) => !fields.has(name)).map((name) => `${name} is missing`),
    ...[...fields.keys()]
      .filter((name) => !venue.fields.includes(name))
      .map((name) => `${name} is not used here`),
    ...[...fields].flatMap(([name, secret]) => formProblem(venue.id, name, secret)),
  ];
  if (problems.length === 0) return;
  throw new KeyholdError("malformed", `The secret does not fit ${venue.name}: ${problems.join("; ")}.`, {
    facts: { errors: problems, fields: venue.fields },
  });
}

/** The same for a replacement, which may send only some of the fields. */
export function assertSomeFields(venue: VenueDescription, fields: SecretFields): void {
  const needed = venue.fields.filter((name) => fields.has(name));
  if (needed.length === 0) {
    throw new KeyholdError("malformed", `Send at least one of the fields that ${venue.name} uses.`, {
      facts: { fields: venue.fields },
    });
  }
  assertFields({ ...venue, fields: needed }, fields);
}

function formProblem(venue: string, name: FieldName, secret: Secret): readonly string[] {
  const problem = secret.expose((bytes) => problemOf(venue, name, bytes));
  return problem === undefined ? [] : [`${name} ${problem}`];
}
