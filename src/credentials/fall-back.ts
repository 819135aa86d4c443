import { sql } from "kysely";
import type { UseRequest } from "../audit/disclosures.ts";
import { readTenant, serviceScope, withTenant } from "../db/tenant.ts";
import type { InvokeResult } from "../venues/venue.ts";
import type { Custody } from "./custody.ts";
import { type Opened, openRetired } from "./open.ts";
import { refusesKey } from "./outcome.ts";

type Retired = Readonly<{ rotation: string; version: number; store: string }>;

/**
 * The venue refused the present secret: where a rotation is under way, the one before it is tried. `null` when there is none, when it
 * could not be sent, or when the venue refuses that, too. A refusal is definite, so nothing was done that would be done twice.
 */
export async function fallBack(
  custody: Custody,
  request: UseRequest,
  call: (opened: Opened) => Promise<InvokeResult>,
): Promise<InvokeResult | null> {
  const { tenantId } = request.principal;
  const retired = await findRetired(custody, tenantId, request.credentialId);
  if (retired === undefined) return null;
  const { version, store } = retired;
  const detail = { ...request.detail, purpose: "fallback" };
  const answer = await openRetired(custody, { ...request, detail }, { version, store }, call);
  if (refusesKey(answer) || "unsent" in answer) return null;
  // A count that fails must not hide what the venue answered.
  await count(custody, tenantId, retired.rotation).catch(() => undefined);
  return answer;
}

async function findRetired(
  { db }: Pick<Custody, "db">,
  tenantId: string,
  credentialId: string,
): Promise<Retired | undefined> {
  return readTenant(db, serviceScope(tenantId), (tx) =>
    tx
      .selectFrom("rotations as r")
      .innerJoin("credential_versions as v", (join) =>
        join.onRef("v.credential_id", "=", "r.credential_id").onRef("v.version", "=", "r.from_version"),
      )
      .select(["r.id as rotation", "v.version", "v.store"])
      .where("r.credential_id", "=", credentialId)
      .where("r.state", "=", "overlap")
      .where("r.overlap_until", ">", sql<Date>`now()`)
      .where("v.state", "=", "retired")
      .executeTakeFirst(),
  );
}

/** How often the old version is still needed: whoever sees it does not end the overlap early. */
async function count({ db }: Pick<Custody, "db">, tenantId: string, rotation: string): Promise<void> {
  await withTenant(db, serviceScope(tenantId), (tx) =>
    tx
      .updateTable("rotations")
      .set({ fallbacks: sql`fallbacks + 1`, last_fallback_at: sql`now()` })
      .where("id", "=", rotation)
      .execute(),
  );
}
