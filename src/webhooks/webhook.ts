import { randomUUID } from "node:crypto";
import { type Selectable, sql, type UpdateObject } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { type Answered, change, type Changed, type Nothing, nothing } from "../audit/change.ts";
import { refuseMiss } from "../audit/misses.ts";
import type { Db } from "../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import { stale } from "../db/revision.ts";
import type { Database } from "../db/schema.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import type { DisabledReason } from "../db/webhook-tables.ts";
import { KeyholdError } from "../errors.ts";
import type { DataKeySource } from "../keys/key-provider.ts";
import { lockTenant } from "../tenants/tenant.ts";
import type { TellableEvent } from "./events.ts";
import type { Guard } from "./guard.ts";
import { showSecret } from "./signing-secret.ts";

type EndpointChanges = UpdateObject<Database, "webhook_endpoints">;
type EndpointRow = Selectable<Database["webhook_endpoints"]>;

/** Where a tenant is told of events. Its secret is told when it is made, and rests nowhere. */
export type Endpoint = Readonly<{
  id: string;
  url: string;
  description: string;
  /** What it is told; none is everything that can be told. */
  events: readonly string[];
  status: "active" | "disabled";
  disabled_reason: DisabledReason | null;
  /** Since when every attempt has failed. */
  failing_since: string | null;
  /** Until when the secret before the present one signs as well. */
  previous_secret_until: string | null;
  revision: number;
  created_at: string;
  updated_at: string;
}>;

/** An endpoint and its secret, `whsec_…`, which is told this once. */
type EndpointWithSecret = Endpoint & Readonly<{ secret: string }>;

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

function toEndpoint(row: EndpointRow): Endpoint {
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

/** The tenant's endpoints, newest first. */
export async function listEndpoints(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  page: PageRequest,
): Promise<Page<Endpoint>> {
  assertScope(principal, "webhooks:read");
  const rows = await readTenant(db, scopeOf(principal), (tx) =>
    tx
      .selectFrom("webhook_endpoints")
      .selectAll()
      .where("deleted_at", "is", null)
      .where(beyond(page))
      .orderBy("created_at", "desc")
      .orderBy("id", "desc")
      .limit(page.limit + 1)
      .execute(),
  );
  return toPage(rows, page.limit, toEndpoint);
}

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

type EndpointUpdate = Partial<EndpointInput> & Readonly<{ status?: "active" | "disabled" }>;

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

/** For so long the secret before signs as well, unless the caller says otherwise. */
const overlap = 24 * 60 * 60;

type Rotation = Readonly<{
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
