import { setTimeout as sleep } from "node:timers/promises";
import type { AuditEvent } from "../../audit/events.ts";
import { readTenant, serviceScope } from "../../db/tenant.ts";
import { type ErrorCode, KeyholdError } from "../../errors.ts";
import { markerOf, type KeyRevocation, type KeyTarget, type VenueKeys } from "../../venues/venue-keys.ts";
import type { SecretFields } from "../../venues/venue.ts";
import type { CredentialRow } from "../credential.ts";
import type { Custody } from "../custody.ts";
import { openRetired, openSecret, useOf } from "../open.ts";
import { adopt } from "../rotate.ts";
import { findCredential } from "../rows.ts";
import { OwnedFields } from "../secret.ts";
import { findOpenRotation, type RotationRow, selectOldVersion } from "../versions.ts";
import {
  isFailure,
  laterAfter,
  moved,
  moveRun,
  type Next,
  rotatorOf,
  type Run,
  unsupported,
} from "./schedule.ts";

/**
 * Opens the parent's key and the one in force for as long as `work` speaks to the venue. Throws what
 * `openSecret` throws, and `unsupported_by_venue` where the venue's API makes no keys.
 */
async function withKeys<T>(
  custody: Custody,
  { tenant_id, credential_id, parent_id }: Run,
  purpose: "create_key" | "revoke_key",
  work: (keys: VenueKeys, target: KeyTarget) => Promise<T>,
): Promise<T> {
  const rotator = rotatorOf(tenant_id);
  const ofParent = useOf(rotator, parent_id, "use", { purpose, for_credential_id: credential_id });
  const ofCurrent = useOf(rotator, credential_id, "validate", { purpose });
  return openSecret(custody, ofParent, ({ fields: parent }) =>
    openSecret(custody, ofCurrent, ({ disclosure, fields: current }) => {
      const keys = custody.venueKeys(disclosure.venue);
      if (keys === undefined) throw unsupported();
      return work(keys, { tenantId: tenant_id, environment: disclosure.environment, parent, current });
    }),
  );
}

/** A new key is not known everywhere at the venue at once: the venue is asked about it again after these times. */
const patienceMs: readonly number[] = [1000, 2000, 4000];

/**
 * Has the venue make a key like the one in force, and puts it in force beside it. If a key with the run's
 * note is there already, the answer to its creation was lost, and its secret with it: it is deleted, and the
 * next step makes another.
 */
export async function createKey(custody: Custody, run: Run, patience = patienceMs): Promise<Next> {
  const { row, open } = await readTenant(custody.db, serviceScope(run.tenant_id), async (tx) => ({
    row: await findCredential(tx, run.credential_id),
    open: await findOpenRotation(tx, run.credential_id),
  }));
  if (open !== undefined) return superseded;
  if (row?.status !== "active") {
    return { to: "withdraw", reason: "credential_inactive", message: "The credential is not active." };
  }
  return withKeys(custody, run, "create_key", async (keys, target) => {
    const created = await keys.create(target, markerOf(run.id));
    switch (created.outcome) {
      case "created": {
        using fields = new OwnedFields(created.fields);
        return await adoptKey(custody, run, row, fields, patience);
      }
      case "exists":
        return removeLost(keys, target, created.key);
      case "refused": {
        const { reason, message } = created;
        // Keyhold does not know the venue's words, so the key may have been made.
        return { to: reason === "refused" ? "withdraw" : "given-up", reason, message };
      }
      default:
        return laterAfter(created);
    }
  });
}

const superseded: Next = { to: "withdraw", reason: "superseded", message: "It was rotated by hand." };

async function removeLost(keys: VenueKeys, target: KeyTarget, key: SecretFields): Promise<Next> {
  using lost = new OwnedFields(key);
  const revoked = await keys.revoke(target, lost);
  return isFailure(revoked) ? laterAfter(revoked) : { to: "again", afterMs: 0 };
}

/** Keeps the secret of the new key. Until it is kept it can be lost, and a key whose secret is lost must go. */
async function adoptKey(
  custody: Custody,
  run: Run,
  row: CredentialRow,
  fields: SecretFields,
  patience: readonly number[],
): Promise<Next> {
  const [pause, ...others] = patience;
  try {
    await adopt(custody, rotatorOf(run.tenant_id), row, { fields }, async (tx, rotation) => {
      const dueInMs = new Date(rotation.overlap_until).getTime() - new Date(rotation.started_at).getTime();
      const move = { stage: "overlap", rotation_id: rotation.id, attempts: 0, dueInMs } as const;
      if (!(await moveRun(tx, run, move))) throw new Superseded();
      const detail = { credential_id: run.credential_id, note: markerOf(run.id) };
      return [{ event: "credential.key_created", detail }];
    });
    return moved;
  } catch (error) {
    if (error instanceof Superseded) return moved;
    if (!(error instanceof KeyholdError)) throw error;
    if (pause === undefined || !maySettle(error))
      return { to: "withdraw", reason: error.code, message: error.detail };
    await sleep(pause);
    return adoptKey(custody, run, row, fields, others);
  }
}

function maySettle({ code }: KeyholdError): boolean {
  const settling: readonly ErrorCode[] = [
    "venue_rejected",
    "venue_ambiguous",
    "venue_unavailable",
    "venue_permission",
  ];
  return settling.includes(code);
}

/** Another process has moved the run: ends the transaction. */
class Superseded extends Error {}

/** Deletes the old key at its venue. Throws what `openSecret` throws. */
export async function deleteOldKey(custody: Custody, run: Run): Promise<KeyRevocation> {
  const retired = await readTenant(custody.db, serviceScope(run.tenant_id), (tx) =>
    selectOldVersion(tx).where("r.id", "=", run.rotation_id).executeTakeFirstOrThrow(),
  );
  const request = useOf(rotatorOf(run.tenant_id), run.credential_id, "validate", { purpose: "revoke_key" });
  return withKeys(custody, run, "revoke_key", (keys, target) =>
    openRetired(custody, request, retired, ({ fields }) => keys.revoke(target, fields)),
  );
}

export function keyDeleted({ credential_id, from_version }: RotationRow): AuditEvent {
  return { event: "credential.key_deleted", detail: { credential_id, version: from_version } };
}

/**
 * Deletes the new key, whatever has become of it. The run is over only when the venue knows no key with its
 * note.
 */
export async function withdrawKey(custody: Custody, run: Run): Promise<Next> {
  return withKeys(custody, run, "revoke_key", async (keys, target) => {
    const found = await keys.find(target, markerOf(run.id));
    if (found.outcome === "absent") return givenUp(run);
    if (found.outcome !== "found") return laterAfter(found);
    using key = new OwnedFields(found.key);
    const revoked = await keys.revoke(target, key);
    return isFailure(revoked) ? laterAfter(revoked) : givenUp(run);
  });
}

function givenUp({ reason }: Run): Next {
  return { to: "given-up", reason: reason ?? "unknown", message: "The new key is deleted at the venue." };
}
