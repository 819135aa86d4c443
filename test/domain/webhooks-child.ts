import { z } from "zod";
import { openDb, openPool } from "../../src/db/connect.ts";
import { Deliveries } from "../../src/jobs/deliver-webhooks.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createMetrics } from "../../src/telemetry/metrics.ts";
import { createGuard } from "../../src/webhooks/guard.ts";
import type { Webhooks } from "../../src/webhooks/webhook.ts";
import { sendCarelessly } from "../../testkit/careless-sender.ts";
import { plainShape } from "../../testkit/connection.ts";

const taskShape = z.object({
  /** `careless` is what delivering must not be: it notes a message as delivered, and sends it after that. */
  what: z.enum(["deliver", "careless"]),
  connection: plainShape,
  keyFile: z.string(),
});
export type Task = z.infer<typeof taskShape>;

/** A process of Keyhold that sends webhooks until it is killed. */
const task = taskShape.parse(JSON.parse(process.argv[2] ?? ""));
const db = openDb(openPool({ ...task.connection, ssl: false }, { applicationName: "webhooks", max: 4 }));
const dataKeys = new DataKeys(db, await loadKeyFile(task.keyFile));
const webhooks: Webhooks = { db, dataKeys, guard: createGuard({ networks: ["127.0.0.1"] }) };

if (task.what === "careless") await sendCarelessly(webhooks, 100);
else sendAsTheServiceDoes();

function sendAsTheServiceDoes(): void {
  const metrics = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  const deliveries = new Deliveries({ webhooks, log: createLog("silent"), metrics }, { everyMs: 50 });
  void deliveries.drain();
}
