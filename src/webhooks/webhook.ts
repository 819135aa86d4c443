import { randomUUID } from "node:crypto";
import { type Selectable, sql, type UpdateObject } from "kysely";
import { assertScope, type Principal, scopeOf } from "../access/principal.ts";
import { changeLocked, stale } from "../audit/change-locked.ts";
import { type Answered, change, type Nothing, nothing } from "../audit/change.ts";
import { refuseMiss } from "../audit/refusals.ts";
import type { Db } from "../db/connect.ts";
import { beyond, type Page, type PageRequest, toPage } from "../db/page.ts";
import type { Database } from "../db/schema.ts";
import { readTenant, type TenantTx } from "../db/tenant.ts";
import { KeyholdError } from "../errors.ts";
import type { DataKeySource } from "../key-encryption/key-provider.ts";
import { lockTenant } from "../tenants/tenant.ts";
import type { TellableEvent } from "./events.ts";
import type { Guard } from "./guard.ts";
import { showSecret } from "./signing-secret.ts";

/** A URL that receives events of a tenant. Its secret is shown when it is created, and stored nowhere. */
export type Webhook = Readonly<ReturnType<typeof toWebhook>>;

/** What a member sets. */
export type WebhookInput = Readonly<{
  url: string;
  description?: string;
  events?: readonly TellableEvent[];
}>;

/** What the verbs of this folder work with. */
export type Webhooks = Readonly<{
  db: Db;
  dataKeys: Pick<DataKeySource, "mac">;
  guard: Pick<Guard, "acceptUrl" | "dispatcher">;
}>;

function toWebhook(row: Selectable<Database["webhook_endpoints"]>) {
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

/** Throws `stale` and `not_found`. */
export const changeWebhook = changeLocked("webhook", lockWebhook);

/**
 * Its row, held until the transaction ends. The mode of the lock lets messages be queued for the webhook
 * meanwhile: a transaction that queues holds the tenant's chain, for which the holder of this row waits.
 */
export function lockWebhook(tx: TenantTx, id: string) {
  return selectWebhook(tx, id).forNoKeyUpdate().executeTakeFirst();
}

function selectWebhook(tx: TenantTx, id: string) {
  return tx.selectFrom("webhook_endpoints").selectAll().where("id", "=", id).where("deleted_at", "is", null);
}

export async function writeWebhook(
  tx: TenantTx,
  id: string,
  changes: UpdateObject<Database, "webhook_endpoints">,
): Promise<Webhook> {
  const row = await tx
    .updateTable("webhook_endpoints")
    .set({ ...changes, revision: sql`revision + 1`, updated_at: sql`now()` })
    .where("id", "=", id)
    .returningAll()
    .executeTakeFirstOrThrow();
  return toWebhook(row);
}

/** Ends the pause after failures, so that due messages are sent now. */
export async function endPause(tx: TenantTx, id: string): Promise<void> {
  await tx
    .updateTable("webhook_endpoints")
    .set({ paused_until: sql`now()` })
    .where("id", "=", id)
    .where("paused_until", ">", sql<Date>`now()`)
    .execute();
}

/** The number is limited because every event of a tenant is queued for each of its webhooks. */
const maxWebhooks = 20;

/**
 * Sends events of the tenant to a URL from now on. The secret is shown this once. Throws `malformed` for a
 * URL that may not be sent to, and `illegal_state` if the tenant has too many webhooks.
 */
export async function createWebhook(
  { db, dataKeys, guard }: Webhooks,
  principal: Principal,
  input: WebhookInput,
): Promise<Answered<Webhook & Readonly<{ secret: string }>>> {
  assertScope(principal, "webhooks:write");
  const url = await guard.acceptUrl(input.url);
  const { tenantId } = principal;
  const id = randomUUID();
  const secret = await showSecret(dataKeys, { tenantId, webhookId: id, number: 1 });
  return change(db, principal, async (tx) => {
    await assertRoom(tx, tenantId);
    const { description = "", events = [] } = input;
    const row = await tx
      .insertInto("webhook_endpoints")
      .values({ tenant_id: tenantId, id, url, description, events: [...new Set(events)] })
      .returningAll()
      .executeTakeFirstOrThrow();
    return {
      value: { ...toWebhook(row), secret },
      events: [{ event: "webhook.created", detail: { endpoint_id: id } }],
    };
  });
}

/** The tenant's row is held, so that two requests at once are counted one after the other. */
async function assertRoom(tx: TenantTx, tenantId: string): Promise<void> {
  await lockTenant(tx, tenantId);
  const rows = await tx
    .selectFrom("webhook_endpoints")
    .select("id")
    .where("deleted_at", "is", null)
    .limit(maxWebhooks)
    .execute();
  if (rows.length < maxWebhooks) return;
  throw new KeyholdError(
    "illegal_state",
    `A tenant can have at most ${maxWebhooks} webhooks. Delete one that is not needed.`,
  );
}

/** The tenant's webhooks, newest first. */
export async function listWebhooks(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  page: PageRequest,
): Promise<Page<Webhook>> {
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
  return toPage(rows, page.limit, toWebhook);
}

/** Throws `not_found`. */
export async function showWebhook(
  { db }: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Webhook> {
  assertScope(principal, "webhooks:read");
  const row = await readTenant(db, scopeOf(principal), (tx) => selectWebhook(tx, id).executeTakeFirst());
  return row === undefined
    ? refuseMiss(db, principal, { kind: "webhook", id, action: "show" })
    : toWebhook(row);
}

/**
 * Changes what is named. A webhook that is enabled again receives the messages that were waiting, and its
 * failures are forgotten. Throws `stale`, `not_found`, and `malformed` for a URL that may not be sent to.
 */
export async function updateWebhook(
  { db, guard }: Pick<Webhooks, "db" | "guard">,
  principal: Principal,
  { id, revision }: Readonly<{ id: string; revision: number }>,
  update: Partial<WebhookInput> & Readonly<{ status?: Webhook["status"] }>,
): Promise<Answered<Webhook>> {
  assertScope(principal, "webhooks:write");
  const { url, events, ...rest } = update;
  const accepted = url === undefined ? {} : { url: await guard.acceptUrl(url) };
  return changeWebhook(db, principal, { id, revision, action: "update" }, async (tx) => ({
    value: await writeWebhook(tx, id, {
      ...accepted,
      ...rest,
      ...(events === undefined ? {} : { events: [...new Set(events)] }),
      ...switched(update.status),
    }),
    events: [{ event: "webhook.updated", detail: { endpoint_id: id, changed: Object.keys(update) } }],
  }));
}

function switched(status: Webhook["status"] | undefined): UpdateObject<Database, "webhook_endpoints"> {
  if (status === undefined) return {};
  if (status === "disabled") return { disabled_reason: "member" };
  return { disabled_reason: null, failures: 0, failing_since: null, paused_until: null };
}

/**
 * From this moment nothing is queued for it or sent to it; waiting messages are dropped. Throws `not_found`.
 */
export async function removeWebhook(
  webhooks: Pick<Webhooks, "db">,
  principal: Principal,
  id: string,
): Promise<Answered<Nothing>> {
  assertScope(principal, "webhooks:write");
  return changeWebhook(webhooks.db, principal, { id, action: "delete" }, async (tx) => {
    await writeWebhook(tx, id, { deleted_at: sql`now()` });
    return { value: nothing, events: [{ event: "webhook.deleted", detail: { endpoint_id: id } }] };
  });
}

/** How long the previous secret also signs. */
const defaultOverlapSeconds = 24 * 60 * 60;

/**
 * Gives a webhook its next secret, which is shown this once. Until the overlap is over, every message has two
 * signatures. The secret before those two ends with this rotation. Throws `stale` and `not_found`.
 */
export async function rotateSecret(
  { db, dataKeys }: Pick<Webhooks, "db" | "dataKeys">,
  principal: Principal,
  {
    id,
    revision,
    overlapSeconds = defaultOverlapSeconds,
  }: Readonly<{ id: string; revision: number; overlapSeconds?: number | undefined }>,
): Promise<Answered<Webhook & Readonly<{ secret: string }>>> {
  assertScope(principal, "webhooks:write");
  const { tenantId } = principal;
  // Made before the change, so that no webhook is left with a secret that was never shown.
  const number = (await currentNumber(db, principal, id)) + 1;
  const secret = await showSecret(dataKeys, { tenantId, webhookId: id, number });
  const target = { id, revision, action: "rotate" };
  return changeWebhook(db, principal, target, async (tx, row) => {
    if (row.secret_number + 1 !== number) throw stale(row.revision);
    const until = overlapSeconds === 0 ? null : sql<Date>`now() + make_interval(secs => ${overlapSeconds})`;
    const webhook = await writeWebhook(tx, id, { secret_number: number, previous_until: until });
    return {
      value: { ...webhook, secret },
      events: [{ event: "webhook.secret_rotated", detail: { endpoint_id: id, number } }],
    };
  });
}

/** 0 for a missing webhook, which the change refuses. */
async function currentNumber(db: Db, principal: Principal, id: string): Promise<number> {
  const row = await readTenant(db, scopeOf(principal), (tx) =>
    tx.selectFrom("webhook_endpoints").select("secret_number").where("id", "=", id).executeTakeFirst(),
  );
  return row?.secret_number ?? 0;
}
