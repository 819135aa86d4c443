import { sql } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import type { Answered } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { stale } from "../db/revision.ts";
import { readTenant } from "../db/tenant.ts";
import { changeEndpoint, type EndpointWithSecret, type Webhooks, writeEndpoint } from "./endpoint.ts";
import { showSecret } from "./secret.ts";

/** For so long the secret before signs as well, unless the caller says otherwise. */
const overlap = 24 * 60 * 60;

export type Rotation = Readonly<{
  id: string;
  revision: number;
  /** Seconds for which the secret before signs as well; 0 when somebody has learned it. */
  overlapSeconds?: number | undefined;
}>;

/**
 * Gives an endpoint its next secret, which is shown this once. Until the overlap is over every message has two signatures; the secret
 * before the last ends with this rotation, whatever was left of its time. Throws `stale` and `not_found`.
 */
export async function rotateSecret(
  { db, dataKeys }: Pick<Webhooks, "db" | "dataKeys">,
  principal: Principal,
  { id, revision, overlapSeconds = overlap }: Rotation,
): Promise<Answered<EndpointWithSecret>> {
  assertScope(principal, "webhooks:write");
  const { tenantId } = principal;
  // Made before the change, so that nobody is left with a secret that was never shown.
  const number = (await presentNumber(db, principal, id)) + 1;
  const secret = await showSecret(dataKeys, { tenantId, endpointId: id, number });
  const target = { id, revision, action: "rotate" };
  return changeEndpoint({ db }, principal, target, async (tx, row) => {
    if (row.secret_number + 1 !== number) throw stale(row.revision);
    const until = overlapSeconds === 0 ? null : sql<Date>`now() + make_interval(secs => ${overlapSeconds})`;
    const endpoint = await writeEndpoint(tx, id, { secret_number: number, previous_until: until });
    return {
      value: { ...endpoint, secret },
      events: [{ event: "webhook.secret_rotated", detail: { endpoint_id: id, number } }],
    };
  });
}

/** 0 for an endpoint that there is not: the change finds that out. */
async function presentNumber(db: Db, principal: Principal, id: string): Promise<number> {
  const row = await readTenant(db, scopeOf(principal), (tx) =>
    tx.selectFrom("webhook_endpoints").select("secret_number").where("id", "=", id).executeTakeFirst(),
  );
  return row?.secret_number ?? 0;
}
