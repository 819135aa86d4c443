import { sql } from "kysely";
import type { UseRequest } from "../audit/disclosures.ts";
import { readTenant, serviceScope, withTenant } from "../db/tenant.ts";
import type { InvokeResult } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { type Opened, openRetired } from "./open.ts";
import { refusesKey } from "./outcome.ts";
import { selectOldVersion } from "./versions.ts";

/**
 * Tries the old secret of a rotation under way after the venue has refused the new one. Returns `null` when
 * there is none, when the call could not be sent, or when the venue refuses that secret, too. A refusal is
 * definite, so nothing is done twice.
 */
export async function fallBack(
  custody: Custody,
  request: UseRequest,
  call: (opened: Opened) => Promise<InvokeResult>,
): Promise<InvokeResult | null> {
  const { tenantId } = request.principal;
  const old = await findOldVersion(custody, tenantId, request.credentialId);
  if (old === undefined) return null;
  const { rotation, version, store } = old;
  const detail = { ...request.detail, purpose: "fallback" };
  const answer = await openRetired(custody, { ...request, detail }, { version, store }, call);
  if (refusesKey(answer) || "unsent" in answer) return null;
  // A count that fails must not hide what the venue answered.
  await count(custody, tenantId, rotation).catch(() => undefined);
  return answer;
}

async function findOldVersion({ db }: Pick<Custody, "db">, tenantId: string, credentialId: string) {
  return readTenant(db, serviceScope(tenantId), (tx) =>
    selectOldVersion(tx)
      .where("r.credential_id", "=", credentialId)
      .where("r.state", "=", "overlap")
      .where("r.overlap_until", ">", sql<Date>`now()`)
      .where("v.state", "=", "retired")
      .executeTakeFirst(),
  );
}

/** A person who sees that the old version is still needed does not end the overlap early. */
async function count({ db }: Pick<Custody, "db">, tenantId: string, rotation: string): Promise<void> {
  await withTenant(db, serviceScope(tenantId), (tx) =>
    tx
      .updateTable("rotations")
      .set({ fallbacks: sql`fallbacks + 1`, last_fallback_at: sql`now()` })
      .where("id", "=", rotation)
      .execute(),
  );
}
