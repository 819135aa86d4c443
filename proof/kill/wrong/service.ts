import { once } from "node:events";
import { join } from "node:path";
import { startApp } from "../../../src/app.ts";
import { readConfig } from "../../../src/config/config.ts";
import { StartError } from "../../../src/errors.ts";
import { createLog } from "../../../src/telemetry/log.ts";
import { openLateDoor } from "./late-notes.ts";
import { refuseZombie } from "./zombies.ts";

/**
 * The service with a flaw that no setting of the real one could give it, named on the command line. It proves nothing but that the
 * proof would notice it.
 */
const flaw = process.argv[2] ?? "";
const config = readConfig();
const log = createLog(config.logLevel);

async function start(): Promise<() => Promise<void>> {
  if (flaw === "refuses-zombies") await refuseZombie(config.folder);
  const app = await startApp(config, log);
  if (flaw !== "notes-answers-late") {
    log.info("listening", { address: app.url ?? "" });
    return () => app.stop();
  }
  const door = await openLateDoor(app.url ?? "", join(config.folder, "late-notes"));
  door.listen(0, "127.0.0.1");
  await once(door, "listening");
  const bound = door.address();
  log.info("listening", { address: `http://127.0.0.1:${typeof bound === "object" ? bound?.port : ""}` });
  return async () => {
    door.closeAllConnections();
    door.close();
    await app.stop();
  };
}

try {
  const stop = await start();
  process.once("SIGTERM", () => {
    stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
} catch (error) {
  if (!(error instanceof StartError)) throw error;
  process.stderr.write(`keyhold: ${error.message}\n`);
  process.exit(1);
}
