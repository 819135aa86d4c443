import { timingSafeEqual } from "node:crypto";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import { stale } from "../db/revision.ts";
import { readTenant } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { SecretFields } from "../venues/venue.ts";
import { adopt, type Adopted, type NewSecret, underWay } from "./adopt.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { venueOf } from "./inspect.ts";
import { openSecret } from "./open.ts";
import { assertFields } from "./secret-fields.ts";
import { findOpenRotation } from "./rotation.ts";
import { readRow } from "./show.ts";

/**
 * Puts a new secret in the place of the present one. The venue is asked first; the new key must belong to the same account and may
 * do no more than the old one. From then on the new one is used, and for the overlap the old one is kept: a use falls back to it
 * where the venue refuses the new one. A rotation that fails leaves the old secret in force.
 *
 * Throws `stale`, `illegal_state` for a credential that is not active or is being rotated, `same_secret`, `venue_account`,
 * `wider_permissions`, and as `register` does.
 */
export async function rotate(
  custody: Custody,
  principal: Principal,
  id: string,
  revision: number,
  input: NewSecret,
): Promise<Answered<Adopted>> {
  assertScope(principal, "credentials:write");
  const row = await readRow(custody, principal, id, "rotate");
  if (row.revision !== revision) throw stale(row.revision);
  assertRotatable(row);
  const venue = venueOf(custody, row.venue, row.environment);
  assertFields(venue.description, input.fields);
  await assertNoneOpen(custody, principal, id);
  await assertOther(custody, principal, row, input.fields);
  return adopt(custody, principal, row, input);
}

function assertRotatable({ status }: CredentialRow): void {
  if (status === "active") return;
  if (status === "inactive") {
    throw new KeyholdError("credential_inactive", "Switch the credential on before you rotate it.");
  }
  throw new KeyholdError(
    "illegal_state",
    `A credential that is ${status} has no working secret to overlap with. Replace its secret instead.`,
    { facts: { credential_status: status } },
  );
}

async function assertNoneOpen(custody: Pick<Custody, "db">, principal: Principal, id: string): Promise<void> {
  const open = await readTenant(custody.db, scopeOf(principal), (tx) => findOpenRotation(tx, id));
  if (open !== undefined) throw underWay();
}

/** A key that is rotated to itself would be destroyed with its old version at the venue. */
async function assertOther(
  custody: Custody,
  principal: Principal,
  row: CredentialRow,
  fresh: SecretFields,
): Promise<void> {
  const request = {
    principal,
    credentialId: row.id,
    need: "validate",
    revision: row.revision,
    event: "credential.used",
    detail: { purpose: "rotate" },
  } as const;
  const same = await openSecret(custody, request, ({ fields }) => Promise.resolve(isSame(fields, fresh)));
  if (same) throw new KeyholdError("same_secret", "Make a new key at the venue, and send that one.");
}

function isSame(kept: SecretFields, fresh: SecretFields): boolean {
  return [...fresh].every(([name, secret]) =>
    secret.expose(
      (bytes) =>
        kept
          .get(name)
          ?.expose((other) => bytes.byteLength === other.byteLength && timingSafeEqual(bytes, other)) ===
        true,
    ),
  );
}
