import { sql } from "kysely";
import { assertScope, type Principal, system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import type { AuditEvent } from "../audit/events.ts";
import type { TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { changeRow } from "./change-row.ts";
import type { CredentialRow } from "./credential.ts";
import type { Custody } from "./custody.ts";
import { destroyNow, intendDestruction } from "./destroy.ts";
import {
  describeRotation,
  endRotation,
  lockOpenRotation,
  type Rotation,
  type RotationRow,
  toRotation,
} from "./rotation.ts";
import { endVersion, lockCredential } from "./rows.ts";
import { each, type Tally } from "./tally.ts";

type Needs = Pick<Custody, "db" | "stores">;
type Due = Readonly<{ tenant_id: string; id: string }>;

const mostAtOnce = 200;

/** Ends the overlap at once: the old version is destroyed. Throws `illegal_state` when none is under way. */
export async function finishRotation(custody: Needs, principal: Principal, id: string): Promise<Rotation> {
  assertScope(principal, "credentials:write");
  const { rotation, intents } = await changeRow(
    custody,
    principal,
    { id, action: "rotate" },
    async (tx, row) => {
      const open = await lockOpenRotation(tx, id);
      if (open === undefined) throw noneUnderWay();
      return { value: await finish(tx, row, open), events: [finishedEvent(open)] };
    },
  );
  await destroyNow(custody, principal.tenantId, intents);
  return rotation;
}

/** Ends every rotation whose overlap is over, by the database's clock. */
export async function finishDueRotations(custody: Needs): Promise<Tally> {
  const { rows } = await sql<Due>`select * from clock.due_rotations(${mostAtOnce})`.execute(custody.db);
  return each(rows, (due) => finishDue(custody, due));
}

async function finishDue(custody: Needs, { tenant_id, id }: Due): Promise<void> {
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
    ended.push(...(await finish(tx, row, open)).intents);
    return { value: undefined, events: [finishedEvent(open)] };
  });
  await destroyNow(custody, tenant_id, ended);
}

async function finish(tx: TenantTx, row: CredentialRow, open: RotationRow) {
  const rotation = toRotation(await endRotation(tx, open.id, "finished"));
  const ended = await endVersion(tx, row.id, open.from_version);
  return { rotation, intents: await intendDestruction(tx, row, ended) };
}

function finishedEvent(open: RotationRow): AuditEvent {
  return { event: "credential.rotation_finished", detail: describeRotation(open) };
}

export function noneUnderWay(): KeyholdError {
  return new KeyholdError(
    "illegal_state",
    "No rotation of this credential is under way: its overlap is over, and the old version is destroyed.",
  );
}
