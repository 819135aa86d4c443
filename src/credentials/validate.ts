import { assertScope, type Principal } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import { consult, type Validation } from "./consult.ts";
import type { Status } from "./credential.ts";
import type { Custody } from "./custody.ts";

export type Validated = Validation & Readonly<{ status: Status }>;

/**
 * Asks the venue about a credential that is kept, and lets the verdict take its consequences. Throws what `openSecret` throws;
 * `credential_inactive` for one that is switched off.
 */
export async function validate(
  custody: Custody,
  principal: Principal,
  credentialId: string,
): Promise<Answered<Validated>> {
  assertScope(principal, "credentials:validate");
  const target = { id: credentialId, need: "validate", revision: null, purpose: "validate" } as const;
  return consult(custody, principal, target, ({ validation, row }) => ({
    value: { ...validation, status: row.status },
  }));
}
