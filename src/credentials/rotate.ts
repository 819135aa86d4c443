import { timingSafeEqual } from "node:crypto";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { assertSeen } from "../audit/change-locked.ts";
import type { Answered } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import type { StoredPermissions } from "../db/stored-json.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { findPolicy } from "../tenants/tenant.ts";
import type { SecretFields } from "../venues/venue.ts";
import type { Permissions, Valid } from "../venues/verdict.ts";
import { type Credential, type CredentialRow, toCredential } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { recoveryOf } from "./drift.ts";
import { venueOf } from "./inspect.ts";
import { accepted, assertStorable, judgeSecret } from "./judge.ts";
import { putInForce } from "./keep.ts";
import { openSecret, useOf } from "./open.ts";
import { countFromNow } from "./rotation-at-venue/schedule.ts";
import { readRow } from "./rows.ts";
import { assertFields } from "./secret.ts";
import {
  defaultOverlapSeconds,
  describeRotation,
  type EndedVersion,
  endVersion,
  findOpenRotation,
  insertRotation,
  lockOpenRotation,
  retireVersion,
  type Rotation,
  toRotation,
} from "./versions.ts";

/**
 * Puts a new secret in the place of the present one. The venue is asked first; the new key must belong to the
 * same account and may do no more than the old one. From then on the new one is used. For the overlap the old
 * one is kept: a use falls back to it where the venue refuses the new one. A rotation that fails leaves the
 * old secret in force.
 *
 * Throws `stale`, `illegal_state` for a credential that is not active or is being rotated, `same_secret`,
 * `venue_account`, `wider_permissions`, and as `register` does.
 */
export async function rotate(
  custody: Custody,
  principal: Principal,
  id: string,
  revision: number,
  input: NewSecret,
): Promise<Answered<Readonly<{ credential: Credential; rotation: Rotation }>>> {
  assertScope(principal, "credentials:write");
  const row = await readRow(custody, principal, id, "rotate");
  assertSeen(row.revision, revision);
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

/** A key that is rotated to itself would be deleted at the venue with its old version. */
async function assertOther(
  custody: Custody,
  principal: Principal,
  row: CredentialRow,
  fresh: SecretFields,
): Promise<void> {
  const request = useOf(principal, row.id, "validate", { purpose: "rotate" }, row.revision);
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

export type NewSecret = Readonly<{
  fields: SecretFields;
  /** How long both versions are kept; 0 in an emergency. */
  overlapSeconds?: number;
  /** Whether the new key may do more than the old one. */
  allowWider?: boolean;
}>;

/**
 * Has the venue judge a new secret, and puts it in force beside the present one for the overlap. `alongside`
 * makes changes of the caller's own in the same transaction. A refusal is recorded, and nothing has changed.
 * Throws `stale` for another revision than `row` has, `illegal_state` while a rotation is under way,
 * `venue_account`, `wider_permissions`, and as `register` does.
 */
export async function adopt(
  custody: Custody,
  principal: Principal,
  row: CredentialRow,
  input: NewSecret,
  alongside?: (tx: TenantTx, rotation: Rotation) => Promise<readonly AuditEvent[]>,
): Promise<Answered<Readonly<{ credential: Credential; rotation: Rotation }>>> {
  const verdict = await judge(custody, principal, row, input);
  return put(custody, principal, row, { ...input, verdict }, alongside);
}

async function judge(
  custody: Custody,
  principal: Principal,
  row: CredentialRow,
  { fields, allowWider = false }: NewSecret,
): Promise<Valid> {
  const { id: credential_id, environment } = row;
  const venue = venueOf(custody, row.venue, environment);
  return judgeSecret(
    custody,
    principal,
    venue,
    { environment, fields },
    {
      check(kept) {
        assertSameAccount(row, kept);
        if (!allowWider) assertNoWider(row, kept);
      },
      refusal(reason) {
        const detail = { credential_id, reason };
        return { event: "credential.rotation_refused", detail, outcome: reason };
      },
    },
  );
}

/** Throws `venue_account` where the venue says whose a key is, and it is not the old one's account. */
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

/**
 * What a new key may do that the old one may not: grants, words that Keyhold does not know, or addresses. A
 * right of the old key that the venue did not report cannot be compared, and counts as nothing.
 */
function widened(before: StoredPermissions | null, after: Permissions): readonly string[] {
  if (before === null) return [];
  const grants = (["read", "trade", "withdraw", "transfer"] as const).filter(
    (name) => before[name] === "no" && after[name] !== "no",
  );
  const words = after.unknownWords.filter((word) => !before.unknown_words.includes(word));
  return [
    ...grants,
    ...words,
    ...(isReachableFromMore(before.bound_ips, after.boundIps) ? ["bound_ips"] : []),
  ];
}

function isReachableFromMore(before: readonly string[] | null, after: readonly string[] | null): boolean {
  if (before === null || before.length === 0 || after === null) return false;
  return after.length === 0 || after.some((address) => !before.includes(address));
}

async function put(
  custody: Custody,
  principal: Principal,
  seen: CredentialRow,
  { fields, overlapSeconds = defaultOverlapSeconds, verdict }: NewSecret & Readonly<{ verdict: Valid }>,
  alongside?: Parameters<typeof adopt>[4],
): Promise<Answered<Readonly<{ credential: Credential; rotation: Rotation }>>> {
  const { id, tenant_id: tenantId } = seen;
  return putInForce(custody, principal, seen, { kind: "rotate", fields }, async (tx, row, version) => {
    assertStorable(verdict.permissions, await findPolicy(tx, tenantId));
    if ((await lockOpenRotation(tx, id)) !== undefined) throw underWay();
    return {
      ended: await retire(tx, row, overlapSeconds),
      changes: { warned_days: null, ...accepted(verdict, row.now) },
      async conclude(updated) {
        await countFromNow(tx, id);
        const started = await insertRotation(tx, row, version, overlapSeconds);
        const rotation = toRotation(started);
        return {
          value: { credential: toCredential(updated), rotation },
          events: [
            { event: "credential.rotation_started", detail: describeRotation(started) },
            ...recoveryOf(row, updated),
            ...((await alongside?.(tx, rotation)) ?? []),
          ],
        };
      },
    };
  });
}

/** Without an overlap the present version ends at once. */
async function retire(
  tx: TenantTx,
  { id, version }: CredentialRow,
  overlapSeconds: number,
): Promise<readonly EndedVersion[]> {
  if (overlapSeconds === 0) return endVersion(tx, id, version);
  await retireVersion(tx, id, version);
  return [];
}

function underWay(): KeyholdError {
  return new KeyholdError(
    "illegal_state",
    "A rotation of this credential is under way. Finish it, or roll it back, before the next.",
  );
}
