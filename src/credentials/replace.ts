import { assertScope, type Principal } from "../access/principal.ts";
import { assertSeen } from "../audit/change-locked.ts";
import type { Answered } from "../audit/change.ts";
import { KeyholdError } from "../errors.ts";
import { findPolicy } from "../tenants/tenant.ts";
import type { SecretFields } from "../venues/venue.ts";
import type { Valid } from "../venues/verdict.ts";
import { type Credential, type CredentialRow, toCredential } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { recoveryOf } from "./drift.ts";
import { venueOf } from "./inspect.ts";
import { accepted, assertStorable, judgeSecret } from "./judge.ts";
import { putInForce } from "./keep.ts";
import { openSecret, useOf } from "./open.ts";
import { readRow } from "./rows.ts";
import { assertFields, assertSomeFields, copyFields, type OwnedFields } from "./secret.ts";
import { endVersions } from "./versions.ts";

/**
 * Replaces the secret at once: what is sent is merged with what is kept, the venue is asked about the whole,
 * and only a valid secret takes the old one's place, which is destroyed. A credential that was invalid or
 * expired becomes active; one that is switched off stays so. Throws as `register` does, and `stale` for
 * another revision.
 */
export async function replace(
  custody: Custody,
  principal: Principal,
  id: string,
  revision: number,
  sent: SecretFields,
): Promise<Answered<Credential>> {
  assertScope(principal, "credentials:write");
  const row = await readRow(custody, principal, id, "replace");
  if (row.status === "revoked")
    throw new KeyholdError("illegal_state", "A revoked credential cannot be replaced.");
  assertSeen(row.revision, revision);
  const venue = venueOf(custody, row.venue, row.environment);
  assertSomeFields(venue.description, sent);
  using fields = await mergeSecret(custody, principal, row, sent);
  assertFields(venue.description, fields);
  const { environment } = row;
  const verdict = await judgeSecret(
    custody,
    principal,
    venue,
    { environment, fields },
    {
      refusal(reason) {
        const detail = { credential_id: id, reason };
        return { event: "credential.replacement_refused", detail, outcome: reason };
      },
    },
  );
  // Awaited here: the fields end with this scope.
  return await put(custody, principal, row, fields, verdict);
}

async function put(
  custody: Custody,
  principal: Principal,
  seen: CredentialRow,
  fields: SecretFields,
  verdict: Valid,
): Promise<Answered<Credential>> {
  const { id, tenant_id: tenantId } = seen;
  return putInForce(custody, principal, seen, { kind: "replace", fields }, async (tx, row, version) => {
    assertStorable(verdict.permissions, await findPolicy(tx, tenantId));
    return {
      ended: await endVersions(tx, id),
      changes: {
        status: row.status === "inactive" ? "inactive" : "active",
        ...accepted(verdict, row.now),
        // A date that has passed belonged to the old secret.
        ...(isPast(row.owner_expires_at, row.now) ? { owner_expires_at: null } : {}),
      },
      conclude: async (updated) => ({
        value: toCredential(updated),
        events: [
          { event: "credential.secret_replaced", detail: { credential_id: id, version } },
          ...recoveryOf(row, updated),
        ],
      }),
    };
  });
}

function isPast(date: Date | null, now: Date): boolean {
  return date !== null && date <= now;
}

/** The sent fields, and the kept ones that were not sent. The kept secret is opened only if it is needed. */
async function mergeSecret(
  custody: Custody,
  principal: Principal,
  row: CredentialRow,
  sent: SecretFields,
): Promise<OwnedFields> {
  const venue = venueOf(custody, row.venue, row.environment);
  const merged = copyFields(sent);
  if (venue.description.fields.every((name) => sent.has(name))) return merged;
  const request = useOf(principal, row.id, "activate", { purpose: "replace" }, row.revision);
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
