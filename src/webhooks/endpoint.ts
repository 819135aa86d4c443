import { type Selectable, sql, type UpdateObject } from "kysely";
import type { Principal } from "../access/principal.ts";
import { type Answered, change, type Changed } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { stale } from "../db/revision.ts";
import type { Database } from "../db/schema.ts";
import type { TenantTx } from "../db/tenant.ts";
import type { DataKeySource } from "../key-encryption/key-provider.ts";
import type { TellableEvent } from "./events.ts";
import type { Guard } from "./guard.ts";
import { refuseMiss } from "../audit/refusals.ts";

export type EndpointChanges = UpdateObject<Database, "webhook_endpoints">;
export type EndpointRow = Selectable<Database["webhook_endpoints"]>;

/** Where a tenant is told of events. Its secret is told when it is made, and rests nowhere. */
export type Endpoint = Readonly<{
  id: string;
  url: string;
  description: string;
  /** What it is told; none is everything that can be told. */
  events: readonly string[];
  status: "active" | "disabled";
  disabled_reason: Database["webhook_endpoints"]["disabled_reason"];
  /** Since when every attempt has failed. */
  failing_since: string | null;
  /** Until when the secret before the present one signs as well. */
  previous_secret_until: string | null;
  revision: number;
  created_at: string;
  updated_at: string;
}>;

/** An endpoint and its secret, `whsec_…`, which is told this once. */
export type EndpointWithSecret = Endpoint & Readonly<{ secret: string }>;

/** What a member says of an endpoint. */
export type EndpointInput = Readonly<{
  url: string;
  description?: string;
  events?: readonly TellableEvent[];
}>;

/** What the verbs of this folder work with; each asks for the part that it needs. */
export type Webhooks = Readonly<{
  db: Db;
  dataKeys: Pick<DataKeySource, "mac">;
  guard: Pick<Guard, "acceptUrl" | "dispatcher">;
}>;

export function toEndpoint(row: EndpointRow): Endpoint {
  return {
    id: row.id,
    url: row.url,
    description: row.description,
    events: row.events,
    status: row.status,
    disabled_reason: row.disabled_reason,
    failing_since: row.failing_since?.toISOString() ?? null,
    previous_secret_until: row.previous_until?.toISOString() ?? null,
    revision: row.revision,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

type Target = Readonly<{ id: string; action: string; revision?: number }>;

/**
 * A change of one endpoint: locks its row, lets `work` change it, and records what it did. With a `revision` the row must still have
 * it. Throws `stale`, or `not_found`.
 */
export async function changeEndpoint<T extends object>(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  { id, action, revision }: Target,
  work: (tx: TenantTx, row: EndpointRow) => Promise<Changed<T>>,
): Promise<Answered<T>> {
  try {
    return await change(db, principal, async (tx) => {
      const row = await lockEndpoint(tx, id);
      if (row === undefined) throw new Missing();
      if (revision !== undefined && row.revision !== revision) throw stale(row.revision);
      return work(tx, row);
    });
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    return refuseMiss(db, principal, { kind: "webhook", id, action });
  }
}

/**
 * Its row, held until the transaction ends; in the mode in which messages can be queued for it meanwhile, since whoever queues holds
 * the tenant's chain, for which the holder of the row waits.
 */
export async function lockEndpoint(tx: TenantTx, id: string): Promise<EndpointRow | undefined> {
  return tx
    .selectFrom("webhook_endpoints")
    .selectAll()
    .where("id", "=", id)
    .where("deleted_at", "is", null)
    .forNoKeyUpdate()
    .executeTakeFirst();
}

export async function writeEndpoint(tx: TenantTx, id: string, changes: EndpointChanges): Promise<Endpoint> {
  const row = await tx
    .updateTable("webhook_endpoints")
    .set({ ...changes, revision: sql`revision + 1`, updated_at: sql`now()` })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return toEndpoint(row);
}

/** Somebody wants to see whether it works again: what is due is sent now, and not when the pause after its failures is over. */
export async function endPause(tx: TenantTx, id: string): Promise<void> {
  await tx
    .updateTable("webhook_endpoints")
    .set({ paused_until: sql`now()` })
    .where("id", "=", id)
    .where("paused_until", ">", sql<Date>`now()`)
    .execute();
}

/** Ends the transaction; what the miss means is asked, and recorded, outside it. */
class Missing extends Error {}
