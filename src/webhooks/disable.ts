import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { lockEndpoint, writeEndpoint } from "./endpoint.ts";

/**
 * Switches an endpoint off whose receiver is gone or has failed for days, unless it has answered meanwhile. What waits for it stays,
 * should it be switched on again. Answers whether it did.
 */
export async function disableEndpoint(
  db: Db,
  { tenantId, endpointId }: Readonly<{ tenantId: string; endpointId: string }>,
  reason: "gone" | "failing",
): Promise<boolean> {
  let done = false;
  await changeUnlessDone(db, system(tenantId, "deliver-webhooks"), async (tx) => {
    const row = await lockEndpoint(tx, endpointId);
    if (row?.status !== "active" || row.failing_since === null) return null;
    await writeEndpoint(tx, endpointId, { status: "disabled", disabled_reason: reason });
    done = true;
    return {
      value: undefined,
      events: [{ event: "webhook.disabled", detail: { endpoint_id: endpointId, reason } }],
    };
  });
  return done;
}
