import { sql } from "kysely";
import { system } from "../access/principal.ts";
import { changeUnlessDone } from "../audit/change.ts";
import type { Db } from "../db/connect.ts";
import { serviceScope, type TenantTx, withTenant } from "../db/tenant.ts";
import type { Delivery } from "./delivery.ts";
import type { Sent } from "./send.ts";
import { lockWebhook, type Webhooks, writeWebhook } from "./webhook.ts";

/** An attempt that has ended. `attempts` and `tries` are the numbers before it. */
type Ended = Sent &
  Readonly<{
    tenantId: string;
    id: string;
    webhookId: string;
    attempts: number;
    tries: number;
    milliseconds: number;
  }>;

/**
 * Records the outcome of an attempt, and when the next is due. What it writes is ids, times and words of
 * Keyhold. A webhook that is gone, or has failed for days, is disabled in a separate change. Returns the new
 * state of the message, and why its webhook was disabled, if it was.
 */
export async function settle(
  { db }: Pick<Webhooks, "db">,
  ended: Ended,
): Promise<Readonly<{ state: Delivery["state"]; disabled: "gone" | "failing" | null }>> {
  const { tenantId, outcome } = ended;
  const { state, over } = await withTenant(db, serviceScope(tenantId), async (tx) => {
    const settled = outcome === "delivered" ? await succeed(tx, ended) : await fail(tx, ended);
    if (settled === null) return { state: "pending" as const, over: null };
    await note(tx, ended, settled.attempts);
    return { state: settled.state, over: await judge(tx, ended) };
  });
  const disabled = over !== null && (await disableWebhook(db, ended, over)) ? over : null;
  return { state, disabled };
}

/** The state of a delivery after an attempt; `null` if another process has recorded an outcome. */
type Settled = Pick<Delivery, "state" | "attempts"> | null;

async function succeed(tx: TenantTx, { id }: Ended): Promise<Settled> {
  const row = await tx
    .updateTable("webhook_deliveries")
    .set((eb) => ({
      state: "delivered",
      due_at: null,
      leased_until: null,
      settled_at: sql`now()`,
      forget_at: sql`now() + interval '30 days'`,
      attempts: eb("attempts", "+", 1),
      tries: eb("tries", "+", 1),
    }))
    .where("id", "=", id)
    .where("state", "=", "pending")
    .returning(["state", "attempts"])
    .executeTakeFirst();
  return row ?? null;
}

/**
 * Only if no other outcome was recorded since: a message that was delivered by another process stays
 * delivered.
 */
async function fail(tx: TenantTx, ended: Ended): Promise<Settled> {
  return (await postpone(tx, ended)) ?? (await countAttempt(tx, ended));
}

async function postpone(tx: TenantTx, { id, attempts, tries }: Ended): Promise<Settled> {
  const pause = nextTry(tries + 1, Math.random());
  const next =
    pause === null
      ? { state: "dead" as const, due_at: null, settled_at: sql<Date>`now()` }
      : { due_at: sql<Date>`now() + make_interval(secs => ${pause})` };
  const row = await tx
    .updateTable("webhook_deliveries")
    .set({ ...next, leased_until: null, attempts: attempts + 1, tries: tries + 1 })
    .where("id", "=", id)
    .where("state", "=", "pending")
    .where("attempts", "=", attempts)
    .where("tries", "=", tries)
    .returning(["state", "attempts"])
    .executeTakeFirst();
  return row ?? null;
}

/** Counts an attempt at a message that was replayed meanwhile: the new schedule stays. */
async function countAttempt(tx: TenantTx, { id, attempts }: Ended): Promise<Settled> {
  const row = await tx
    .updateTable("webhook_deliveries")
    .set({ leased_until: null, attempts: attempts + 1 })
    .where("id", "=", id)
    .where("state", "=", "pending")
    .where("attempts", "=", attempts)
    .returning(["state", "attempts"])
    .executeTakeFirst();
  return row ?? null;
}

async function note(
  tx: TenantTx,
  { tenantId, id, outcome, status, milliseconds }: Ended,
  number: number,
): Promise<void> {
  await tx
    .insertInto("webhook_attempts")
    .values({ tenant_id: tenantId, delivery_id: id, number, outcome, status, milliseconds })
    .execute();
}

/** The reason to disable the webhook after this attempt, if there is one. */
async function judge(tx: TenantTx, { webhookId, outcome }: Ended): Promise<"gone" | "failing" | null> {
  if (outcome === "delivered") {
    await recover(tx, webhookId);
    return null;
  }
  const failsForDays = await blame(tx, webhookId);
  if (outcome === "gone") return "gone";
  return failsForDays ? "failing" : null;
}

async function recover(tx: TenantTx, webhookId: string): Promise<void> {
  await tx
    .updateTable("webhook_endpoints")
    .set({ failures: 0, failing_since: null, paused_until: null })
    .where("id", "=", webhookId)
    .where("failures", ">", 0)
    .execute();
}

/** Counts a failure. Returns whether the webhook has failed for five days. */
async function blame(tx: TenantTx, webhookId: string): Promise<boolean> {
  const row = await tx
    .updateTable("webhook_endpoints")
    .set((eb) => ({ failures: eb("failures", "+", 1), failing_since: sql`coalesce(failing_since, now())` }))
    .where("id", "=", webhookId)
    .returning(["failures", sql<boolean>`failing_since <= now() - interval '5 days'`.as("for_days")])
    .executeTakeFirst();
  const pause = pauseAfter(row?.failures ?? 0);
  if (pause > 0) {
    await tx
      .updateTable("webhook_endpoints")
      .set({ paused_until: sql`now() + make_interval(secs => ${pause})` })
      .where("id", "=", webhookId)
      .execute();
  }
  return row?.for_days === true;
}

/**
 * Disables a webhook whose receiver is gone or has failed for days, unless an attempt has succeeded
 * meanwhile. Waiting messages stay, in case it is enabled again. Returns whether it did.
 */
async function disableWebhook(
  db: Db,
  { tenantId, webhookId }: Readonly<{ tenantId: string; webhookId: string }>,
  reason: "gone" | "failing",
): Promise<boolean> {
  let done = false;
  await changeUnlessDone(db, system(tenantId, "deliver-webhooks"), async (tx) => {
    const row = await lockWebhook(tx, webhookId);
    if (row?.status !== "active" || row.failing_since === null) return null;
    await writeWebhook(tx, webhookId, { status: "disabled", disabled_reason: reason });
    done = true;
    return {
      value: undefined,
      events: [{ event: "webhook.disabled", detail: { endpoint_id: webhookId, reason } }],
    };
  });
  return done;
}

const minute = 60;
const hour = 60 * minute;

/**
 * Seconds after each failed attempt until the next, as Standard Webhooks suggests. The first attempt is made
 * immediately.
 */
const pauses = [
  5,
  5 * minute,
  30 * minute,
  2 * hour,
  5 * hour,
  10 * hour,
  14 * hour,
  20 * hour,
  24 * hour,
] as const;

/**
 * Seconds until the next attempt at a message that was tried `tries` times; `null` if there is none. It
 * varies by a tenth, so that messages that failed together are not retried together.
 */
export function nextTry(tries: number, random: number): number | null {
  const pause = pauses[tries - 1];
  return pause === undefined ? null : pause * (0.9 + 0.2 * random);
}

/** After this many failures in a row, a webhook is paused after each failure. */
const failuresWithoutPause = 3;

/** How long a webhook is paused after so many failures in a row: 15 seconds to 10 minutes. */
export function pauseAfter(failures: number): number {
  if (failures < failuresWithoutPause) return 0;
  return Math.min(15 * 2 ** (failures - failuresWithoutPause), 10 * minute);
}
