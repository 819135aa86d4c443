import { sql } from "kysely";
import { assertScope, type Principal } from "../access/principal.ts";
import { type Answered, change } from "../audit/change.ts";
import type { TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { type Delivery, selectDeliveries, toDelivery } from "./delivery.ts";
import { endPause, type Webhooks } from "./endpoint.ts";
import { refuseMiss } from "../audit/refusals.ts";

/**
 * Sends a message again, whatever came of it, with the same id and a schedule of its own. Throws `not_found`, and `illegal_state`
 * when its endpoint is switched off.
 */
export async function replayDelivery(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Delivery>> {
  assertScope(principal, "webhooks:write");
  try {
    return await change(db, principal, async (tx) => {
      const endpointId = await assertActive(tx, id);
      await requeue(tx, id);
      await endPause(tx, endpointId);
      const row = await selectDeliveries(tx).where("d.id", "=", id).executeTakeFirstOrThrow();
      const detail = { endpoint_id: endpointId, delivery_id: id };
      return { value: toDelivery(row), events: [{ event: "webhook.replayed", detail }] };
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return refuseMiss(db, principal, { kind: "webhook_delivery", id, action: "replay" });
  }
}

async function assertActive(tx: TenantTx, id: string): Promise<string> {
  const row = await tx
    .selectFrom("webhook_deliveries as d")
    .innerJoin("webhook_endpoints as e", (join) =>
      join.onRef("e.tenant_id", "=", "d.tenant_id").onRef("e.id", "=", "d.endpoint_id"),
    )
    .select(["e.id", "e.status"])
    .where("d.id", "=", id)
    .where("e.deleted_at", "is", null)
    .executeTakeFirst();
  if (row === undefined) throw new Missing();
  if (row.status === "active") return row.id;
  throw switchedOff();
}

export function switchedOff(): KeyholdError {
  return new KeyholdError("illegal_state", "The webhook is switched off. Switch it on first.");
}

/** What is being sent this moment keeps its lease: what comes of that attempt is noted, and settles it if it succeeds. */
async function requeue(tx: TenantTx, id: string): Promise<void> {
  await tx
    .updateTable("webhook_deliveries")
    .set({
      state: "pending",
      tries: 0,
      due_at: sql`now()`,
      settled_at: null,
      forget_at: sql`now() + interval '90 days'`,
    })
    .where("id", "=", id)
    .execute();
}

/** Ends the transaction; what the miss means is asked, and recorded, outside it. */
class Missing extends Error {}
