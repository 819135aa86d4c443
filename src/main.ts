import { type App, startApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { StartError } from "./errors.ts";
import { createLog, type Log } from "./telemetry/log.ts";

/** Runs the service until SIGTERM or SIGINT: requests under way are finished, then everything that was started is ended. */
export async function serve(): Promise<void> {
  const config = readConfig();
  const log = createLog(config.logLevel);
  if (config.unknownVariables.length > 0) {
    log.warn("variables that nobody reads", { variables: config.unknownVariables.join(", ") });
  }
  const app = await startApp(config, log);
  if (app.newKeyFile !== null) {
    log.warn("a key file was made: back it up, apart from the database; without it every secret is lost", {
      path: app.newKeyFile,
    });
  }
  log.info("metrics", { address: app.metricsUrl });
  if (app.url === null) log.info("working");
  else log.info("listening", { address: app.url, path: "/docs" });
  stopOnSignal(app, log);
}

function stopOnSignal(app: App, log: Log): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    log.info("stopping", { reason: signal });
    app.stop().then(
      () => log.info("stopped"),
      (error: unknown) => {
        log.error("could not stop cleanly", { error });
        process.exitCode = 1;
      },
    );
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
}

/** A start that is refused ends with one sentence; anything else is a defect and shows where it lies. */
if (import.meta.main) {
  await serve().catch((error: unknown) => {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`keyhold: ${error.message}\n`);
    process.exitCode = 1;
  });
}
