import { type App, startApp } from "./app.ts";
import { readConfig } from "./config.ts";
import { StartError } from "./errors.ts";
import { refuseSimulatedFolder, type Simulated, startSimulated } from "./simulated.ts";
import { createLog, type Log } from "./telemetry/log.ts";

/**
 * Runs the service until SIGTERM or SIGINT: requests under way are finished, then everything that was started is ended. `simulated`:
 * with venues on this machine in place of the real ones.
 */
export async function serve({ simulated = false }: Readonly<{ simulated?: boolean }> = {}): Promise<void> {
  const read = readConfig();
  if (!simulated) refuseSimulatedFolder(read);
  const venues = simulated ? await startSimulated(read) : null;
  const config = venues?.config ?? read;
  const log = createLog(config.logLevel);
  if (config.unknownVariables.length > 0) {
    log.warn("variables that nobody reads", { variables: config.unknownVariables.join(", ") });
  }
  const app = await startApp(config, log).catch(async (error: unknown) => {
    await venues?.close();
    throw error;
  });
  if (app.newKeyFile !== null) {
    log.warn("a key file was made: back it up, apart from the database; without it every secret is lost", {
      path: app.newKeyFile,
    });
  }
  log.info("metrics", { address: app.metricsUrl });
  if (app.url === null) log.info("working");
  else log.info("listening", { address: app.url, path: "/docs" });
  if (venues !== null) process.stdout.write(tellOfKeys(venues));
  const stop = async (): Promise<void> => {
    try {
      await app.stop();
    } finally {
      await venues?.close();
    }
  };
  stopOnSignal({ stop }, log);
}

/** For a person: what to type when a credential is registered. Nothing but the simulated venues takes these keys. */
function tellOfKeys({ keys, keysFile }: Simulated): string {
  const lines = keys.flatMap(({ venue, environment, secret }) => [
    `${venue} ${environment}`,
    // A private key goes onto one line, as it can be pasted.
    ...Object.entries(secret).map(
      ([field, value]) => `  ${field.padEnd(10)}  ${value.trim().replaceAll("\n", "\\n")}`,
    ),
  ]);
  const heading = `simulated venues: nothing here is real, and no other venue can be reached. These keys may read and trade (${keysFile}):`;
  return `\n${heading}\n${lines.join("\n")}\n\n`;
}

function stopOnSignal(app: Pick<App, "stop">, log: Log): void {
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

/** `npm start -- --simulated`. Throws `StartError` for anything else. */
async function serveAsAsked(): Promise<void> {
  const [flag, ...others] = process.argv.slice(2);
  const isKnown = others.length === 0 && (flag === undefined || flag === "--simulated");
  if (!isKnown)
    throw new StartError("the only argument is --simulated; everything else comes from the environment.");
  await serve({ simulated: flag === "--simulated" });
}

/** A start that is refused ends with one sentence; anything else is a defect and shows where it lies. */
if (import.meta.main) {
  await serveAsAsked().catch((error: unknown) => {
    if (!(error instanceof StartError)) throw error;
    process.stderr.write(`keyhold: ${error.message}\n`);
    process.exitCode = 1;
  });
}
