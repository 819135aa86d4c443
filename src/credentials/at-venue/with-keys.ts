import type { DisclosureRequest } from "../../audit/disclosures.ts";
import { KeyholdError } from "../../errors.ts";
import type { KeyTarget, VenueKeys } from "../../venues/venue-keys.ts";
import type { Custody } from "../custody.ts";
import { openSecret } from "../open.ts";
import { rotatorOf, type Run } from "./run.ts";

/** What is done with the parent's key: stands in the record of both credentials. */
export type KeyWork = "create_key" | "revoke_key";

/**
 * Opens the parent's key and the one in force for as long as `work` speaks to the venue. Throws what `openSecret` throws, and
 * `unsupported_by_venue` where the venue's API makes no keys.
 */
export async function withKeys<T>(
  custody: Custody,
  { tenant_id, credential_id, parent_id }: Run,
  what: KeyWork,
  work: (keys: VenueKeys, target: KeyTarget) => Promise<T>,
): Promise<T> {
  const request = (credentialId: string, need: "use" | "validate"): DisclosureRequest => ({
    principal: rotatorOf(tenant_id),
    credentialId,
    need,
    revision: null,
    event: "credential.used",
    detail: { purpose: what, ...(credentialId === parent_id ? { for_credential_id: credential_id } : {}) },
  });
  return openSecret(custody, request(parent_id, "use"), ({ fields: parent }) =>
    openSecret(custody, request(credential_id, "validate"), ({ disclosure, fields: current }) => {
      const keys = custody.venueKeys(disclosure.venue);
      if (keys === undefined) throw unsupported();
      return work(keys, { tenantId: tenant_id, environment: disclosure.environment, parent, current });
    }),
  );
}

export function unsupported(): KeyholdError {
  return new KeyholdError(
    "unsupported_by_venue",
    "No API of this venue makes keys. Schedule without a parent key, and its owner is reminded to rotate by hand.",
  );
}
