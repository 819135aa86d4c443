import { z } from "zod";
import { openDb, openPool } from "../../src/db/connect.ts";
import { serviceScope, withTenant } from "../../src/db/tenant.ts";
import { Deliveries } from "../../src/jobs/deliver-webhooks.ts";
import { DataKeys } from "../../src/keys/data-keys.ts";
import { loadKeyFile } from "../../src/keys/file.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { claimDue } from "../../src/webhooks/due.ts";
import type { Webhooks } from "../../src/webhooks/endpoint.ts";
import { createGuard } from "../../src/webhooks/guard.ts";
import { type Message, send } from "../../src/webhooks/send.ts";

const taskShape = z.object({
  /** `careless` is what delivering must not be: it notes a message as delivered, and sends it after that. */
  what: z.enum(["deliver", "careless"]),
  connection: z.object({ host: z.string(), port: z.number(), user: z.string(), database: z.string() }),
  keyFile: z.string(),
});
export type Task = z.infer<typeof taskShape>;

/** A process of Keyhold that sends webhooks until it is killed. */
const task = taskShape.parse(JSON.parse(process.argv[2] ?? ""));
const db = openDb(openPool({ ...task.connection, ssl: false }, { applicationName: "webhooks", max: 4 }));
const dataKeys = new DataKeys(db, await loadKeyFile(task.keyFile));
const webhooks: Webhooks = { db, dataKeys, guard: createGuard({ networks: ["127.0.0.1"] }) };

if (task.what === "careless") await sendCarelessly();
else sendAsTheServiceDoes();

function sendAsTheServiceDoes(): void {
  const metrics = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  const deliveries = new Deliveries({ webhooks, log: createLog("silent"), metrics }, { everyMs: 50 });
  void deliveries.drain();
}

async function sendCarelessly(): Promise<void> {
  const noted: Message[] = [];
  for (const { tenant_id, id } of await claimDue(db, 100)) {
    const message = await withTenant(db, serviceScope(tenant_id), async (tx) => {
      const row = await tx
        .updateTable("webhook_deliveries")
        .set({ state: "delivered", due_at: null, leased_until: null, settled_at: new Date() })
        .where("id", "=", id)
        .returning(["payload", "endpoint_id", "message_id"])
        .executeTakeFirstOrThrow();
      const { url } = await tx
        .selectFrom("webhook_endpoints")
        .select("url")
        .where("id", "=", row.endpoint_id)
        .executeTakeFirstOrThrow();
      return { url, payload: row.payload, headers: { "webhook-id": row.message_id } };
    });
    noted.push(message);
  }
  for (const message of noted) await send(webhooks.guard.dispatcher, message, 60_000);
}
