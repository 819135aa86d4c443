import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { readTenant } from "../db/tenant.ts";
import { type Endpoint, toEndpoint, type Webhooks } from "./endpoint.ts";
import { refuseMiss } from "../audit/refusals.ts";

/** Throws `not_found`. */
export async function showEndpoint(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Endpoint> {
  assertScope(principal, "webhooks:read");
  const row = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("webhook_endpoints")
      .selectAll()
      .where("id", "=", id)
      .where("deleted_at", "is", null)
      .executeTakeFirst(),
  );
  return row === undefined
    ? refuseMiss(db, principal, { kind: "webhook", id, action: "show" })
    : toEndpoint(row);
}
