import { sql } from "kysely";
import { assertScope, type Principal, system } from "../access/principal.ts";
import { type Answered, changeUnlessDone } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import { byTenant, type Due, roundMs, sweep, type Tally } from "../db/sweep.ts";
import type { TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { type CredentialRow, toCredential, type Credential } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { destroyNow, intendDestruction } from "./destroy.ts";
import { unrefused } from "./outcome.ts";
import { deleteOldKey, keyDeleted } from "./rotation-at-venue/keys.ts";
import { endRun, findRun, isFailure, type Run, withdrawAfterRollBack } from "./rotation-at-venue/schedule.ts";
import { changeCredential, lockCredential, readRow, rescheduleCredential, updateCredential } from "./rows.ts";
import {
  describeRotation,
  endRotation,
  endVersion,
  lockOpenRotation,
  reviveVersion,
  type Rotation,
  type RotationRow,
  toRotation,
} from "./versions.ts";

/**
 * Ends the overlap at once: the old version is destroyed. If Keyhold made the new key, the old one is deleted
 * at the venue first, unless the caller leaves it there.
 *
 * Throws `illegal_state` when none is under way, `venue_refused` and `venue_unavailable` when the old key
 * could not be deleted, and what `openSecret` throws. Then the overlap goes on.
 */
export async function finishRotation(
  custody: Custody,
  principal: Principal,
  id: string,
  { leaveKey = false }: Readonly<{ leaveKey?: boolean }> = {},
): Promise<Answered<Rotation>> {
  assertScope(principal, "credentials:write");
  const row = await readRow(custody, principal, id, "rotate");
  const run = await findRun(custody, row.tenant_id, id);
  const isDeleted = run?.stage === "overlap" && !leaveKey;
  if (isDeleted) await deleteAtVenue(custody, run);
  return changeCredential(custody.db, principal, { id, action: "rotate" }, async (tx, row) => {
    const open = await lockOpenRotation(tx, id);
    if (open === undefined) throw noneUnderWay();
    if (run !== undefined) await endRun(tx, run);
    const deleted = isDeleted ? [keyDeleted(open)] : [];
    const { rotation, intents } = await finishOpen(tx, row, open);
    const after = (): Promise<void> => destroyNow(custody, principal.tenantId, intents);
    return { value: rotation, events: [finishedEvent(open), ...deleted], after };
  });
}

async function deleteAtVenue(custody: Custody, run: Run): Promise<void> {
  const revoked = await deleteOldKey(custody, run);
  if (!isFailure(revoked)) return;
  const advice =
    "The old key is in force still. Finish later, or delete it at the venue yourself and finish with leave_key.";
  const code = revoked.outcome === "refused" ? "venue_refused" : "venue_unavailable";
  throw new KeyholdError(code, `${revoked.message} ${advice}`);
}

const batchSize = 200;

/** Ends every rotation whose overlap is over, by the database's clock. */
export async function finishDueRotations(custody: Pick<Custody, "db" | "stores">): Promise<Tally> {
  return sweep(
    custody.db,
    sql<Due>`select * from clock.due_rotations(${batchSize})`,
    (due) => finishDue(custody, due),
    // A store that is slow for one tenant leaves room for the others.
    { atOnce: 8, bounds: [byTenant(2)], roundMs },
  );
}

async function finishDue(custody: Pick<Custody, "db" | "stores">, { tenant_id, id }: Due): Promise<void> {
  const ended: string[] = [];
  await changeUnlessDone(custody.db, system(tenant_id, "finish-rotation"), async (tx) => {
    const due = await tx
      .selectFrom("rotations")
      .select("credential_id")
      .where("id", "=", id)
      .executeTakeFirst();
    const row = due === undefined ? undefined : await lockCredential(tx, due.credential_id);
    const open = row === undefined ? undefined : await lockOpenRotation(tx, row.id);
    // Finished by hand or rolled back meanwhile.
    if (row === undefined || open?.id !== id) return null;
    ended.push(...(await finishOpen(tx, row, open)).intents);
    return { value: undefined, events: [finishedEvent(open)] };
  });
  await destroyNow(custody, tenant_id, ended);
}

/** In the caller's transaction: the old version ends, with an intent to destroy it. */
export async function finishOpen(tx: TenantTx, row: CredentialRow, open: RotationRow) {
  const rotation = toRotation(await endRotation(tx, open.id, "finished"));
  const ended = await endVersion(tx, row.id, open.from_version);
  return { rotation, intents: await intendDestruction(tx, row, ended) };
}

export function finishedEvent(open: RotationRow): AuditEvent {
  return { event: "credential.rotation_finished", detail: describeRotation(open) };
}

function noneUnderWay(): KeyholdError {
  return new KeyholdError(
    "illegal_state",
    "No rotation of this credential is under way. Once one has ended, only one of its two secrets is left.",
  );
}

/**
 * While the overlap lasts, puts the old secret back in force and destroys the new one. The venue is asked
 * about the old one within a minute, and a key that Keyhold made there is deleted. Throws `stale`, and
 * `illegal_state` when no rotation is under way.
 */
export async function rollBack(
  custody: Pick<Custody, "db" | "stores">,
  principal: Principal,
  id: string,
  revision: number,
): Promise<Answered<Readonly<{ credential: Credential; rotation: Rotation }>>> {
  assertScope(principal, "credentials:write");
  const target = { id, revision, action: "rotate" };
  return changeCredential(custody.db, principal, target, async (tx, row) => {
    const open = await lockOpenRotation(tx, id);
    if (open === undefined) throw noneUnderWay();
    const intents = await intendDestruction(tx, row, await endVersion(tx, id, row.version));
    const store = await reviveVersion(tx, id, open.from_version);
    const back = await updateCredential(tx, id, { version: open.from_version, store, ...unrefused });
    await rescheduleCredential(tx, id, { next_check_at: row.now, check_attempts: 0 });
    const rotation = toRotation(await endRotation(tx, open.id, "rolled_back"));
    await withdrawAfterRollBack(tx, open.id);
    return {
      value: { credential: toCredential(back), rotation },
      events: [{ event: "credential.rotation_rolled_back", detail: describeRotation(open) }],
      after: () => destroyNow(custody, principal.tenantId, intents),
    };
  });
}
