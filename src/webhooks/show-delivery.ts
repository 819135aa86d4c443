import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { type Attempt, type Delivery, selectDeliveries, toDelivery } from "./delivery.ts";
import type { Webhooks } from "./endpoint.ts";
import { refuseMiss } from "../audit/refusals.ts";

export type DeliveryWithLog = Delivery &
  Readonly<{
    /** The body, as it is sent. */
    payload: string;
    /** Oldest first. */
    log: readonly Attempt[];
  }>;

/** A delivery with its body and every attempt at it. Throws `not_found`. */
export async function showDelivery(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<DeliveryWithLog> {
  assertScope(principal, "webhooks:read");
  const found = await readTenant(db, scopeOf(principal), async (tx) => {
    const row = await selectDeliveries(tx).select("d.payload").where("d.id", "=", id).executeTakeFirst();
    return row === undefined ? null : { row, log: await attemptsOf(tx, id) };
  });
  if (found === null) return refuseMiss(db, principal, { kind: "webhook_delivery", id, action: "show" });
  return { ...toDelivery(found.row), payload: found.row.payload, log: found.log };
}

async function attemptsOf(tx: TenantTx, deliveryId: string): Promise<readonly Attempt[]> {
  const rows = await tx
    .selectFrom("webhook_attempts")
    .select(["number", "at", "outcome", "status", "milliseconds"])
    .where("delivery_id", "=", deliveryId)
    .orderBy("number")
    .execute();
  return rows.map((row) => ({ ...row, at: row.at.toISOString() }));
}
