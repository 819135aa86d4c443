import { randomUUID } from "node:crypto";
import { assertScope, type Principal } from "../access/principal.ts";
import { type Answered, change } from "../audit/change.ts";
import type { TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import { lockTenant } from "../tenants/tenant.ts";
import { type EndpointInput, type EndpointWithSecret, toEndpoint, type Webhooks } from "./endpoint.ts";
import { showSecret } from "./secret.ts";

/** Every change of a tenant is queued for each of them. */
const mostEndpoints = 20;

/**
 * Has the tenant told of events at a URL from now on. The secret is shown this once. Throws `malformed` for a URL that nothing would
 * be sent to, and `illegal_state` when the tenant has as many endpoints as it may.
 */
export async function createEndpoint(
  { db, dataKeys, guard }: Webhooks,
  principal: Principal,
  input: EndpointInput,
): Promise<Answered<EndpointWithSecret>> {
  assertScope(principal, "webhooks:write");
  const url = await guard.acceptUrl(input.url);
  const { tenantId } = principal;
  const id = randomUUID();
  const secret = await showSecret(dataKeys, { tenantId, endpointId: id, number: 1 });
  return change(db, principal, async (tx) => {
    await assertRoom(tx, tenantId);
    const { description = "", events = [] } = input;
    const row = await tx
      .insertInto("webhook_endpoints")
      .values({ tenant_id: tenantId, id, url, description, events: [...new Set(events)] })
      .returningAll()
      .executeTakeFirstOrThrow();
    return {
      value: { ...toEndpoint(row), secret },
      events: [{ event: "webhook.created", detail: { endpoint_id: id } }],
    };
  });
}

/** The tenant's row is held, so that two who come at once are counted one after the other. */
async function assertRoom(tx: TenantTx, tenantId: string): Promise<void> {
  await lockTenant(tx, tenantId);
  const rows = await tx
    .selectFrom("webhook_endpoints")
    .select("id")
    .where("deleted_at", "is", null)
    .limit(mostEndpoints)
    .execute();
  if (rows.length < mostEndpoints) return;
  throw new KeyholdError(
    "illegal_state",
    `A tenant has ${mostEndpoints} webhooks at most. Remove one that is not needed.`,
  );
}
