import { assertScope, type Principal } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import {
  changeEndpoint,
  type Endpoint,
  type EndpointChanges,
  type EndpointInput,
  type Webhooks,
  writeEndpoint,
} from "./endpoint.ts";

export type EndpointUpdate = Partial<EndpointInput> & Readonly<{ status?: "active" | "disabled" }>;

/**
 * Changes what is named. One that is switched on again is sent what has been waiting for it, and its failures are forgotten. Throws
 * `stale`, `not_found`, and `malformed` for a URL that nothing would be sent to.
 */
export async function updateEndpoint(
  { db, guard }: Pick<Webhooks, "db" | "guard">,
  principal: Principal,
  { id, revision }: Readonly<{ id: string; revision: number }>,
  update: EndpointUpdate,
): Promise<Answered<Endpoint>> {
  assertScope(principal, "webhooks:write");
  const { url, events, ...rest } = update;
  const accepted = url === undefined ? {} : { url: await guard.acceptUrl(url) };
  return changeEndpoint({ db }, principal, { id, revision, action: "update" }, async (tx) => ({
    value: await writeEndpoint(tx, id, {
      ...accepted,
      ...rest,
      ...(events === undefined ? {} : { events: [...new Set(events)] }),
      ...switched(update.status),
    }),
    events: [{ event: "webhook.updated", detail: { endpoint_id: id, changed: Object.keys(update) } }],
  }));
}

function switched(status: EndpointUpdate["status"]): EndpointChanges {
  if (status === undefined) return {};
  if (status === "disabled") return { disabled_reason: "member" };
  return { disabled_reason: null, failures: 0, failing_since: null, paused_until: null };
}
