import { setTimeout as sleep } from "node:timers/promises";
import { readConfig } from "../../../src/config/config.ts";
import { openCustody } from "../../../src/open-custody.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { sendCarelessly } from "../../../testkit/careless-sender.ts";

/** As many as the service has on their way. */
const atOnce = 32;

/** A worker that notes first and sends after that. It proves nothing but that the proof would notice it. */
const config = readConfig();
const log = createLog(config.logLevel);
const open = await openCustody(config, log);
const stop = new AbortController();
process.once("SIGTERM", () => stop.abort());
log.info("running the clock");
while (!stop.signal.aborted) {
  if ((await sendCarelessly(open.webhooks, atOnce)) === 0) await sleep(50);
}
await open.close();
