import { sql } from "kysely";
import { assertScope, type Principal } from "../access/principal.ts";
import { type Answered, type Nothing, nothing } from "../audit/change.ts";
import { changeEndpoint, type Webhooks, writeEndpoint } from "./endpoint.ts";

/** Nothing more is queued for it or sent to it from this moment; what was waiting goes with it. Throws `not_found`. */
export async function removeEndpoint(
  webhooks: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Nothing>> {
  assertScope(principal, "webhooks:write");
  return changeEndpoint(webhooks, principal, { id, action: "delete" }, async (tx) => {
    await writeEndpoint(tx, id, { deleted_at: sql`now()` });
    return { value: nothing, events: [{ event: "webhook.deleted", detail: { endpoint_id: id } }] };
  });
}
