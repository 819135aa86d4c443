import { createDoor } from "../../../src/app.ts";
import { openLocalIssuer } from "../../../src/access/local-issuer.ts";
import { readConfig } from "../../../src/config/config.ts";
import { openCustody } from "../../../src/open-custody.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { flaws } from "./flaws.ts";

/**
 * The service with flaws, named on the command line, that no setting of the real one could give it. It proves nothing but that the
 * proof would notice them.
 */
const config = readConfig();
const log = createLog(config.logLevel);
const open = await openCustody(config, log);
let { custody } = open;
for (const name of process.argv.slice(2)) {
  const flaw = flaws[name];
  if (flaw === undefined) throw new Error(`There is no flaw ${name}.`);
  custody = await flaw(custody, { config, metrics: open.metrics, log });
}
const localIssuer = await openLocalIssuer(config.folder);
const server = await createDoor({ ...open, custody }, { config, localIssuer, log });
log.info("listening", { address: await server.listen({ host: config.http.host, port: config.http.port }) });

process.once("SIGTERM", () => {
  const close = async (): Promise<void> => {
    await server.close();
    await open.close();
  };
  close().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
