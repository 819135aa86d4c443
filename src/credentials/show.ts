import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant } from "../db/tenant.ts";
import type { Credential, CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { findCredential, toCredential } from "./rows.ts";
import { refuseMiss } from "../audit/refusals.ts";

/** The metadata of one credential. Throws `forbidden` for another member's, `not_found` for any other id. */
export async function show(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
): Promise<Credential> {
  assertScope(principal, "credentials:read");
  return toCredential(await readRow(custody, principal, id, "show"));
}

/** The row, or the refusal that a miss means. */
export async function readRow(
  custody: Pick<Custody, "db">,
  principal: Principal,
  id: string,
  action: string,
): Promise<CredentialRow> {
  const row = await readTenant(custody.db, scopeOf(principal), (tx) => findCredential(tx, id));
  return row ?? refuseMiss(custody.db, principal, { kind: "credential", id, action });
}
