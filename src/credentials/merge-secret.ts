import type { Principal } from "../access/principal.ts";
import type { SecretFields } from "../venues/venue.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { venueOf } from "./inspect.ts";
import { openSecret } from "./open.ts";
import { copyFields, type OwnedFields } from "./secret-fields.ts";

/** What is sent over what is kept; the kept secret is not opened where all of it is sent. */
export async function mergeSecret(
  custody: Custody,
  principal: Principal,
  row: CredentialRow,
  sent: SecretFields,
): Promise<OwnedFields> {
  const venue = venueOf(custody, row.venue, row.environment);
  const merged = copyFields(sent);
  if (venue.description.fields.every((name) => sent.has(name))) return merged;
  const request = {
    principal,
    credentialId: row.id,
    need: "activate",
    revision: row.revision,
    event: "credential.used",
    detail: { purpose: "replace" },
  } as const;
  try {
    return await openSecret(custody, request, ({ fields }) => {
      for (const [name, secret] of fields) if (!merged.has(name)) merged.set(name, secret.copy());
      return Promise.resolve(merged);
    });
  } catch (error) {
    merged[Symbol.dispose]();
    throw error;
  }
}
