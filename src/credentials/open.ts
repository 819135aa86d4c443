import type { Principal } from "../access/principal.ts";
import type { DisclosureRequest, Granted, Refusal, UseRequest } from "../audit/disclosures.ts";
import { EnvelopeError, open, type Sealed, sealedWith } from "../crypto/envelope.ts";
import { unpackRecord } from "../crypto/packed-fields.ts";
import { readTenant, serviceScope } from "../db/tenant.ts";
import { KeyholdError, type ErrorCode } from "../errors.ts";
import { unknownDataKey } from "../key-encryption/key-provider.ts";
import { fieldNames, type FieldName } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { findCredential } from "./rows.ts";
import { damaged, lost, storeOf, troubleOf, OwnedFields } from "./secret.ts";

export type Opened = Readonly<{ disclosure: Granted; fields: OwnedFields }>;

/**
 * Opens the secret of a credential for the length of `use`: the record is written first, and the plaintext is
 * zeroed after. Throws what the record refuses (`not_found`, `forbidden`, `credential_inactive`,
 * `illegal_state`, `policy_forbids` …), `record_unavailable`, `store_unavailable`, `store_denied`,
 * `secret_lost`, `secret_damaged` and `key_unavailable`.
 */
export async function openSecret<T>(
  custody: Pick<Custody, "db" | "disclosures" | "stores" | "dataKeys">,
  request: DisclosureRequest,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const { place, sealed } = await findSealed(custody, request);
  using fields = await openFields(custody, place, sealed);
  return await use({ disclosure: place, fields });
}

/** The request to open a secret for a use. With a `revision`, no other than that is opened. */
export function useOf(
  principal: Principal,
  credentialId: string,
  need: Exclude<UseRequest["need"], "reveal">,
  detail: UseRequest["detail"],
  revision: number | null = null,
): UseRequest {
  return { principal, credentialId, need, revision, event: "credential.used", detail };
}

/**
 * The same for the version that a rotation has retired. The record judges the use like any other, and names
 * that version.
 */
export async function openRetired<T>(
  custody: Pick<Custody, "disclosures" | "stores" | "dataKeys">,
  request: UseRequest,
  retired: Readonly<{ version: number; store: string }>,
  use: (opened: Opened) => Promise<T>,
): Promise<T> {
  const detail = { ...request.detail, version: retired.version };
  const granted = await custody.disclosures.append({ ...request, detail });
  if (granted.outcome !== "ok") throw refused(granted.outcome);
  const disclosure = { ...granted, ...retired, sealed: null };
  const place = { tenantId: request.principal.tenantId, credentialId: request.credentialId, ...disclosure };
  const sealed = await readSealed(custody, place);
  if (sealed === null) throw lost(place.store);
  using fields = await openFields(custody, place, sealed);
  return await use({ disclosure, fields });
}

type Place = Granted & Readonly<{ tenantId: string; credentialId: string }>;

/**
 * A version that was in force when its use was recorded may have been replaced or moved before its store was
 * read, and be destroyed by now. Then the version that is in force is asked for, with a record of its own.
 * The loop ends, because another writer must have written a version for each round.
 */
async function findSealed(
  custody: Pick<Custody, "db" | "disclosures" | "stores">,
  request: DisclosureRequest,
): Promise<Readonly<{ place: Place; sealed: ReadonlyMap<string, Sealed> }>> {
  for (;;) {
    const disclosure = await custody.disclosures.append(request);
    if (disclosure.outcome !== "ok") throw refused(disclosure.outcome);
    const { credentialId, principal } = request;
    const place = { tenantId: principal.tenantId, credentialId, ...disclosure };
    const sealed = await readSealed(custody, place);
    if (sealed !== null) return { place, sealed };
    if (await isInForce(custody, place)) throw lost(place.store);
  }
}

async function isInForce(
  { db }: Pick<Custody, "db">,
  { tenantId, credentialId, version }: Place,
): Promise<boolean> {
  const row = await readTenant(db, serviceScope(tenantId), (tx) => findCredential(tx, credentialId));
  return row?.version === version;
}

/** The sealed fields; `null` where the store has no such version. */
async function readSealed(
  custody: Pick<Custody, "stores">,
  place: Place,
): Promise<ReadonlyMap<string, Sealed> | null> {
  if (place.sealed !== null) return unpack(place.sealed, place.store);
  const store = storeOf(custody.stores, place.store);
  const answer = await store.get(place);
  switch (answer.outcome) {
    case "found":
      return answer.fields;
    case "absent":
      return null;
    case "unavailable":
    case "denied":
      throw troubleOf(store.name, answer);
  }
}

function unpack(sealed: Uint8Array, store: string): ReadonlyMap<string, Sealed> {
  try {
    return unpackRecord(sealed);
  } catch (error) {
    throw error instanceof EnvelopeError ? damaged(store, error) : error;
  }
}

async function openFields(
  custody: Pick<Custody, "dataKeys">,
  place: Place,
  sealed: ReadonlyMap<string, Sealed>,
): Promise<OwnedFields> {
  const fields = new OwnedFields();
  try {
    for (const [name, value] of sealed) {
      const key = await custody.dataKeys.get(place.tenantId, sealedWith(value));
      fields.set(fieldName(name, place), open(key, contextOf(place, name), value));
    }
    return fields;
  } catch (error) {
    fields[Symbol.dispose]();
    throw isDamage(error) ? damaged(place.store, error) : error;
  }
}

function contextOf({ tenantId, credentialId, version }: Place, field: string) {
  return { tenantId, credentialId, version, field };
}

function fieldName(name: string, { store }: Place): FieldName {
  const known = fieldNames.find((field) => field === name);
  if (known === undefined) throw damaged(store, undefined);
  return known;
}

/**
 * Whether the store returned other bytes than those that were sealed for this place: they do not open, or
 * name a data key that the tenant does not have. The database keeps the data key of each version that is in
 * force, so none of those is merely missing.
 */
function isDamage(error: unknown): boolean {
  if (error instanceof KeyholdError) return error.facts["reason"] === unknownDataKey;
  return error instanceof EnvelopeError;
}

/** The answers to a caller when the record refuses to open a secret. */
const answers: Readonly<Record<Refusal, readonly [ErrorCode, string]>> = {
  tenant_inactive: ["forbidden", "The tenant is suspended."],
  member_inactive: ["forbidden", "Your membership is suspended."],
  principal_changed: ["unauthenticated", "Your role has changed. Send the request again."],
  api_key_inactive: ["unauthenticated", "The API key is revoked or has expired."],
  narrowed: [
    "forbidden",
    "Your token or API key is narrowed, and does not reach this credential from where you are.",
  ],
  absent: ["not_found", "There is no such credential."],
  forbidden: ["forbidden", "The credential belongs to another member."],
  revoked: ["illegal_state", "The credential is revoked and its secret destroyed. Register a new one."],
  frozen: ["frozen", "The credential, its account or its tenant is frozen. Unfreeze it first."],
  inactive: ["credential_inactive", "The credential or its account is switched off. Activate it first."],
  changed: ["stale", "The credential has changed meanwhile. Send the request again."],
  expired: ["illegal_state", "The credential has expired. Replace its secret."],
  pending: ["illegal_state", "The venue has not confirmed the credential yet. Validate it first."],
  invalid: [
    "illegal_state",
    "The venue refused the credential. If its key is in force at the venue, validate it; else replace its secret.",
  ],
  policy_forbids: [
    "policy_forbids",
    "The credential's policy does not allow this. Its owner can change the policy.",
  ],
};

/** The error for a refusal of the record; a frozen, expired or inactive credential each has its own. */
export function refused(refusal: Refusal): KeyholdError {
  const [code, detail] = answers[refusal];
  return new KeyholdError(code, detail, { facts: { reason: refusal }, isRecorded: true });
}
