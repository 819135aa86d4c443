import type { Due } from "../src/db/sweep.ts";
import { serviceScope, withTenant } from "../src/db/tenant.ts";
import { messageIdOf } from "../src/webhooks/delivery.ts";
import { claimDue } from "../src/webhooks/outbox.ts";
import { send } from "../src/webhooks/send.ts";
import type { Webhooks } from "../src/webhooks/webhook.ts";

/**
 * What delivering must not be: notes messages as delivered, and sends them after that, unsigned and one after the other. Answers how
 * many.
 */
export async function sendCarelessly(
  { db, guard }: Pick<Webhooks, "db" | "guard">,
  most: number,
): Promise<number> {
  const noted: Parameters<typeof send>[1][] = [];
  for (const due of await claimDue(db, most)) noted.push(await noteAsDelivered(db, due));
  for (const message of noted) await send(guard.dispatcher, message, 60_000);
  return noted.length;
}

function noteAsDelivered(db: Webhooks["db"], { tenant_id, id }: Due): Promise<Parameters<typeof send>[1]> {
  return withTenant(db, serviceScope(tenant_id), async (tx) => {
    const row = await tx
      .updateTable("webhook_deliveries")
      .set({ state: "delivered", due_at: null, leased_until: null, settled_at: new Date() })
      .where("id", "=", id)
      .returning(["payload", "endpoint_id", "message_id"])
      .executeTakeFirstOrThrow();
    const { url } = await tx
      .selectFrom("webhook_endpoints")
      .select("url")
      .where("id", "=", row.endpoint_id)
      .executeTakeFirstOrThrow();
    return { url, payload: row.payload, headers: { "webhook-id": messageIdOf(row.message_id) } };
  });
}
