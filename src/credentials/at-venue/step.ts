import { KeyholdError } from "../../errors.ts";
import { readTenant, serviceScope } from "../../db/tenant.ts";
import type { Custody } from "../custody.ts";
import { findCredential } from "../rows.ts";
import { createKey } from "./create-key.ts";
import { endOverlap } from "./end-overlap.ts";
import type { Next } from "./next.ts";
import { findRun, type Run } from "./run.ts";
import { settle } from "./settle.ts";
import { withdrawKey } from "./withdraw-key.ts";

const stages: Readonly<Record<Run["stage"], (custody: Custody, run: Run) => Promise<Next>>> = {
  creating: createKey,
  overlap: endOverlap,
  withdrawing: withdrawKey,
};

/** A safe guess where the venue cannot be asked what it is. */
const unknownSettlesAfterMs = 60_000;

/** Takes the next step of a rotation at the venue. Can be repeated, and be cut off anywhere. */
export async function step(custody: Custody, tenantId: string, credentialId: string): Promise<void> {
  const run = await findRun(custody, tenantId, credentialId);
  if (run === undefined) return;
  const next = await stages[run.stage](custody, run).catch(laterAfterError);
  await settle(custody, run, next, await settlesAfterMs(custody, run));
}

/** What Keyhold could not open, the venue was not asked about. */
function laterAfterError(error: unknown): Next {
  if (!(error instanceof KeyholdError)) throw error;
  return { to: "later", reason: error.code, message: error.detail };
}

async function settlesAfterMs(custody: Custody, { tenant_id, credential_id }: Run): Promise<number> {
  const row = await readTenant(custody.db, serviceScope(tenant_id), (tx) =>
    findCredential(tx, credential_id),
  );
  const keys = row === undefined ? undefined : custody.venueKeys(row.venue);
  return keys?.description.settlesAfterMs ?? unknownSettlesAfterMs;
}
