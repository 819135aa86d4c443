import type { Due } from "../db/sweep.ts";
import { readTenant, serviceScope } from "../db/tenant.ts";
import { messageIdOf } from "./delivery.ts";
import { send, type Sent } from "./send.ts";
import { settle } from "./settle.ts";
import { type SecretOf, signWith } from "./signing-secret.ts";
import type { Webhooks } from "./webhook.ts";

export type DeliverOptions = Readonly<{
  /** Milliseconds for one attempt, from the look-up of the name to the end of the answer. */
  withinMs?: number;
}>;

const attemptMs = 15_000;

/**
 * Makes one attempt at a claimed message and records its outcome; `null` if there is nothing to send any
 * more. Throws what the database or the key provider throws. Then nothing was recorded, and the message is
 * sent again when the lease is over.
 */
export async function deliver(
  webhooks: Webhooks,
  due: Due,
  { withinMs = attemptMs }: DeliverOptions = {},
): Promise<(Sent & Awaited<ReturnType<typeof settle>> & Readonly<{ seconds: number }>) | null> {
  const job = await read(webhooks, due);
  if (job === null) return null;
  const message = await sign(webhooks, due.tenant_id, job);
  const begun = performance.now();
  const sent = await send(webhooks.guard.dispatcher, message, withinMs);
  const milliseconds = Math.round(performance.now() - begun);
  const noted = await settle(webhooks, { tenantId: due.tenant_id, ...job, ...sent, milliseconds });
  return { ...sent, ...noted, seconds: milliseconds / 1000 };
}

type Job = Readonly<{
  id: string;
  webhookId: string;
  url: string;
  messageId: string;
  payload: string;
  attempts: number;
  tries: number;
  /** The numbers of the secrets that sign. */
  secrets: readonly number[];
}>;

/** `null` if, since it was claimed, it was settled or its webhook was disabled or deleted. */
async function read({ db }: Pick<Webhooks, "db">, { tenant_id, id }: Due): Promise<Job | null> {
  const row = await readTenant(db, serviceScope(tenant_id), (tx) =>
    tx
      .selectFrom("webhook_deliveries as d")
      .innerJoin("webhook_endpoints as e", (join) =>
        join.onRef("e.tenant_id", "=", "d.tenant_id").onRef("e.id", "=", "d.endpoint_id"),
      )
      .select(["d.message_id", "d.payload", "d.attempts", "d.tries", "e.id", "e.url", "e.secret_number"])
      .select((eb) => eb("e.previous_until", ">", eb.fn<Date>("now")).as("signs_twice"))
      .where("d.id", "=", id)
      .where("d.state", "=", "pending")
      .where("e.status", "=", "active")
      .where("e.deleted_at", "is", null)
      .executeTakeFirst(),
  );
  if (row === undefined) return null;
  const { secret_number: number, signs_twice, message_id, id: webhookId, ...rest } = row;
  const secrets = signs_twice === true ? [number, number - 1] : [number];
  return { ...rest, id, webhookId, messageId: messageIdOf(message_id), secrets };
}

/**
 * The headers of Standard Webhooks. The time is that of the attempt, because receivers refuse old signatures.
 */
async function sign(
  { dataKeys }: Pick<Webhooks, "dataKeys">,
  tenantId: string,
  { url, messageId, payload, webhookId, secrets }: Job,
): Promise<Parameters<typeof send>[1]> {
  const seconds = Math.floor(Date.now() / 1000);
  const of = (number: number): SecretOf => ({ tenantId, webhookId, number });
  const signatures = await Promise.all(
    secrets.map((number) => signWith(dataKeys, of(number), { messageId, seconds, payload })),
  );
  return {
    url,
    payload,
    headers: {
      "webhook-id": messageId,
      "webhook-timestamp": String(seconds),
      "webhook-signature": signatures.join(" "),
    },
  };
}
