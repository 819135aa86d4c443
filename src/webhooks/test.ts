import { randomUUID } from "node:crypto";
import { assertScope, type Principal } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import type { TenantTx } from "../db/tenant.ts";
import { type Delivery, selectDeliveries, toDelivery } from "./delivery.ts";
import { changeEndpoint, endPause, type Webhooks } from "./endpoint.ts";
import { testEvent } from "./events.ts";
import { switchedOff } from "./replay.ts";

/**
 * Queues a message that tells nothing, to see whether it arrives. Throws `not_found`, and `illegal_state` when the endpoint is
 * switched off.
 */
export async function testEndpoint(
  webhooks: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Delivery>> {
  assertScope(principal, "webhooks:write");
  return changeEndpoint(webhooks, principal, { id, action: "test" }, async (tx, { status }) => {
    if (status !== "active") throw switchedOff();
    await endPause(tx, id);
    const delivery = await queueTest(tx, principal.tenantId, id);
    const detail = { endpoint_id: id, delivery_id: delivery.id };
    return { value: delivery, events: [{ event: "webhook.tested", detail }] };
  });
}

async function queueTest(tx: TenantTx, tenantId: string, endpointId: string): Promise<Delivery> {
  const payload = {
    type: testEvent,
    timestamp: new Date().toISOString(),
    data: { tenant_id: tenantId, endpoint_id: endpointId },
  };
  const id = randomUUID();
  await tx
    .insertInto("webhook_deliveries")
    .values({
      tenant_id: tenantId,
      id,
      endpoint_id: endpointId,
      message_id: randomUUID(),
      event: testEvent,
      payload: JSON.stringify(payload),
    })
    .execute();
  return toDelivery(await selectDeliveries(tx).where("d.id", "=", id).executeTakeFirstOrThrow());
}
