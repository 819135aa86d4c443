import { type Principal, scopeOf } from "../access/principal.ts";
import { type Answered, note } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import { stale } from "../db/revision.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { Valid } from "../venues/verdict.ts";
import type { SecretFields } from "../venues/venue.ts";
import { accepted } from "./accepted.ts";
import { countFromNow } from "./at-venue/schedule-row.ts";
import type { Credential, CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { destroyNow, intendDestruction } from "./destroy.ts";
import { recoveryOf } from "./drift.ts";
import { inspect, venueOf } from "./inspect.ts";
import { keepVersion } from "./keep.ts";
import {
  defaultOverlapSeconds,
  insertRotation,
  lockOpenRotation,
  type Rotation,
  toRotation,
} from "./rotation.ts";
import {
  endVersion,
  findPolicy,
  insertVersion,
  lockCredential,
  retireVersion,
  toCredential,
  updateCredential,
} from "./rows.ts";
import { accept, assertStorable } from "./storable.ts";
import { widened } from "./wider.ts";

export type NewSecret = Readonly<{
  fields: SecretFields;
  /** How long both versions are kept; 0 in an emergency. */
  overlapSeconds?: number;
  /** Whether the new key may do more than the old one. */
  allowWider?: boolean;
}>;

export type Adopted = Readonly<{ credential: Credential; rotation: Rotation }>;

/** Changes of the caller's own, made in the transaction that puts the new secret in force. */
export type AdoptedWith = (tx: TenantTx, rotation: Rotation) => Promise<readonly AuditEvent[]>;

/**
 * Lets the venue judge a new secret by the present one, and puts it in force beside the present one for the overlap. A refusal is
 * recorded, and nothing has changed. Throws `stale` for another revision than `row` has, `illegal_state` while a rotation is under
 * way, `venue_account`, `wider_permissions`, and as `register` does.
 */
export async function adopt(
  custody: Custody,
  principal: Principal,
  row: CredentialRow,
  input: NewSecret,
  alongside?: AdoptedWith,
): Promise<Answered<Adopted>> {
  const verdict = await judge(custody, principal, row, input);
  return put(custody, principal, row, { ...input, verdict }, alongside);
}

/** The venue's word on the new key. A refusal is recorded, and nothing has changed. */
async function judge(
  custody: Custody,
  principal: Principal,
  row: CredentialRow,
  { fields, allowWider = false }: NewSecret,
): Promise<Valid> {
  const venue = venueOf(custody, row.venue, row.environment);
  const verdict = await inspect(custody, venue, {
    tenantId: row.tenant_id,
    environment: row.environment,
    fields,
  });
  try {
    const policy = await readTenant(custody.db, scopeOf(principal), (tx) => findPolicy(tx, row.tenant_id));
    const kept = accept(verdict, policy);
    assertSameAccount(row, kept);
    if (!allowWider) assertNoWider(row, kept);
    assertStorable(kept.permissions, policy);
    return kept;
  } catch (error) {
    const reason = error instanceof KeyholdError ? error.code : verdict.outcome;
    const detail = { credential_id: row.id, reason };
    await note(custody.db, principal, { event: "credential.rotation_refused", detail, outcome: reason });
    throw error;
  }
}

/** Where the venue tells whose a key is. */
function assertSameAccount(row: CredentialRow, { account }: Valid): void {
  const { id } = row.account_facts;
  if (id === undefined || account.id === undefined || id === account.id) return;
  throw new KeyholdError(
    "venue_account",
    "The new key belongs to another account at the venue. Register it as a credential of its own.",
  );
}

function assertNoWider(row: CredentialRow, { permissions }: Valid): void {
  const wider = widened(row.permissions, permissions);
  if (wider.length === 0) return;
  throw new KeyholdError(
    "wider_permissions",
    `The new key may do more than the old one (${wider.join(", ")}). Make one that may not, or allow it for this rotation.`,
    { facts: { wider } },
  );
}

async function put(
  custody: Custody,
  principal: Principal,
  seen: CredentialRow,
  { fields, overlapSeconds = defaultOverlapSeconds, verdict }: NewSecret & Readonly<{ verdict: Valid }>,
  alongside?: AdoptedWith,
): Promise<Answered<Adopted>> {
  const { id, tenant_id: tenantId, venue, environment } = seen;
  const of = { tenantId, credentialId: id, venue, environment };
  return keepVersion(
    custody,
    principal,
    { kind: "rotate", of, fields },
    async (tx, { version, dataKeyId }) => {
      const row = await lockCredential(tx, id);
      if (row?.revision !== seen.revision) throw stale(row?.revision ?? seen.revision);
      assertStorable(verdict.permissions, await findPolicy(tx, tenantId));
      if ((await lockOpenRotation(tx, id)) !== undefined) throw underWay();
      const intents = await retire(tx, row, overlapSeconds);
      const store = custody.stores.first.name;
      const updated = await updateCredential(tx, id, {
        version,
        store,
        warned_days: null,
        ...accepted(verdict, row.now),
      });
      await insertVersion(tx, updated, dataKeyId);
      await countFromNow(tx, id);
      const span = { from: row.version, to: version, overlapSeconds };
      const rotation = toRotation(await insertRotation(tx, { tenantId, credentialId: id, ...span }));
      const { from_version, to_version } = rotation;
      const detail = { credential_id: id, rotation_id: rotation.id, from_version, to_version };
      return {
        value: { credential: toCredential(updated), rotation },
        events: [
          { event: "credential.rotation_started", detail },
          ...recoveryOf(row, updated),
          ...((await alongside?.(tx, rotation)) ?? []),
        ],
        after: () => destroyNow(custody, tenantId, intents),
      };
    },
  );
}

/** Without an overlap the present version ends at once. */
async function retire(tx: TenantTx, row: CredentialRow, overlapSeconds: number): Promise<readonly string[]> {
  if (overlapSeconds === 0) return intendDestruction(tx, row, await endVersion(tx, row.id, row.version));
  await retireVersion(tx, row.id, row.version);
  return [];
}

export function underWay(): KeyholdError {
  return new KeyholdError(
    "illegal_state",
    "A rotation of this credential is under way. Finish it, or roll it back, before the next.",
  );
}
