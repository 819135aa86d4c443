import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import { readTenant } from "../db/tenant.ts";
import { type Delivery, type DeliveryState, selectDeliveries, toDelivery } from "./delivery.ts";
import type { Webhooks } from "./endpoint.ts";

export type DeliveryFilter = Readonly<{ endpointId?: string; state?: DeliveryState }>;

/** What was sent, waits to be sent or was given up, newest first. */
export async function listDeliveries(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  { endpointId, state }: DeliveryFilter,
  page: PageRequest,
): Promise<Page<Delivery>> {
  assertScope(principal, "webhooks:read");
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    selectDeliveries(tx)
      .$if(endpointId !== undefined, (query) => query.where("d.endpoint_id", "=", endpointId ?? ""))
      .$if(state !== undefined, (query) => query.where("d.state", "=", state ?? "pending"))
      .where(beyond(page))
      .orderBy("d.created_at", "desc")
      .orderBy("d.id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toDelivery);
}
