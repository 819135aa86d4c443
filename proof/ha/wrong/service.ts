import { readConfig } from "../../../src/config/config.ts";
import { openCustody } from "../../../src/open-custody.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { serveWrong } from "../../wrong-service.ts";
import { flaws } from "./flaws.ts";

/** The service with flaws that are named on the command line. */
const config = readConfig();
const log = createLog(config.logLevel);
const open = await openCustody(config, log);
let { custody } = open;
for (const name of process.argv.slice(2)) {
  const flaw = flaws[name];
  if (flaw === undefined) throw new Error(`There is no flaw ${name}.`);
  custody = await flaw(custody, { config, metrics: open.metrics, log });
}
await serveWrong({ ...open, custody }, { config, log });
