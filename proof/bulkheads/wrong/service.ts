import { once } from "node:events";
import { readConfig } from "../../../src/config/config.ts";
import { createMetricsServer } from "../../../src/http/metrics-server.ts";
import { startClock } from "../../../src/jobs/clock.ts";
import { openCustody, type OpenCustody } from "../../../src/open-custody.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { Child } from "../../../src/venues/process/child.ts";
import { serveWrong } from "../../wrong-service.ts";
import { flaws } from "./flaws.ts";

/**
 * The service with one defence switched off, named on the command line. Its venue processes hold still for as long as a key with a
 * planted name says.
 */
const config = readConfig();
const log = createLog(config.logLevel);
const program = new URL("../../../testkit/spinning-program.ts", import.meta.url);
const open = await openCustody(config, log, {
  venueProcesses: { start: (settings, onLost) => new Child(settings, { program, onLost }) },
});
const flaw = flaws[process.argv[2] ?? ""];
if (flaw === undefined) throw new Error(`There is no flaw ${process.argv[2]}.`);
const wrong: OpenCustody = {
  ...open,
  custody: flaw(open.custody, open.database),
  background: { ...open.background, custody: flaw(open.background.custody, open.database) },
};
const clock = startClock({ custody: wrong.background.custody, log, metrics: open.metrics });
const metrics = createMetricsServer(open.metrics.registry, []);
metrics.listen(0, "127.0.0.1");
await once(metrics, "listening");
const bound = metrics.address();
const port = typeof bound === "object" ? bound?.port : undefined;
log.info("metrics", { address: `http://127.0.0.1:${port}/metrics` });
await serveWrong(wrong, {
  config,
  log,
  async stop() {
    metrics.closeAllConnections();
    metrics.close();
    await clock.stop();
  },
});
