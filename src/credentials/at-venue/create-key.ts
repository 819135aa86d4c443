import { setTimeout as sleep } from "node:timers/promises";
import { readTenant, serviceScope } from "../../db/tenant.ts";
import { type ErrorCode, KeyholdError } from "../../errors.ts";
import type { SecretFields } from "../../venues/venue.ts";
import { adopt } from "../adopt.ts";
import type { CredentialRow } from "../credential.ts";
import type { Custody } from "../custody.ts";
import { findOpenRotation } from "../rotation.ts";
import { findCredential } from "../rows.ts";
import { OwnedFields } from "../secret-fields.ts";
import { isFailure, laterAfter, moved, type Next } from "./next.ts";
import { rotatorOf, moveRun, type Run } from "./run.ts";
import { withKeys } from "./with-keys.ts";
import { markerOf, type KeyTarget, type VenueKeys } from "../../venues/venue-keys.ts";

/** A key that was made a moment ago is not known everywhere at the venue at once: it is looked at again after these times. */
const patienceMs: readonly number[] = [1000, 2000, 4000];

/**
 * Has the venue make a key like the one in force, and puts it in force beside it. A key that is there already is one whose answer was
 * lost, and its secret with it: it is deleted, and the next step makes another.
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
        return await putInForce(custody, run, row, fields, patience);
      }
      case "exists":
        return removeLost(keys, target, created.key);
      case "refused": {
        const { reason, message } = created;
        // In words of the venue that Keyhold does not know: it may have been made.
        return { to: reason === "refused" ? "withdraw" : "given-up", reason, message };
      }
      default:
        return laterAfter(created);
    }
  });
}

/** Somebody has rotated by hand meanwhile. */
const superseded: Next = { to: "withdraw", reason: "superseded", message: "It was rotated by hand." };

async function removeLost(keys: VenueKeys, target: KeyTarget, key: SecretFields): Promise<Next> {
  using lost = new OwnedFields(key);
  const revoked = await keys.revoke(target, lost);
  return isFailure(revoked) ? laterAfter(revoked) : { to: "again", afterMs: 0 };
}

/** From here on the secret of the key is kept; until then nobody has it, and a key without a secret must go. */
async function putInForce(
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
    return putInForce(custody, run, row, fields, others);
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

/** Somebody else has moved the run: ends the transaction. */
class Superseded extends Error {}
