import { parseArgs } from "node:util";
import { type App, type AppOptions, startApp } from "./app.ts";
import { bannerOf, describeStart } from "./banner.ts";
import { type Config, readConfig } from "./config/config.ts";
import { type PlatformTx, withPlatform } from "./db/tenant.ts";
import { StartError } from "./errors.ts";
import { refuseSimulatedFolder, type Simulated, startSimulated } from "./simulated.ts";
import { createLog, type Log } from "./telemetry/log.ts";

/** `simulated`: with venues on this machine in place of the real ones. */
type ServeOptions = AppOptions & Readonly<{ simulated?: boolean }>;

/** Milliseconds for running requests when the service ends because its database has ended. */
const lastPatience = 10_000;

/**
 * Runs the service until SIGTERM or SIGINT. Then running requests are finished, and all parts are stopped.
 */
export async function serve({ simulated = false, begin = false }: ServeOptions = {}): Promise<void> {
  const read = readConfig();
  if (!simulated) refuseSimulatedFolder(read);
  const venues = simulated ? await startSimulated(read) : null;
  const config = venues?.config ?? read;
  const log = createLog(config.logLevel);
  if (config.unknownVariables.length > 0) {
    log.warn("unknown variables, which Keyhold does not read", {
      variables: config.unknownVariables.join(", "),
    });
  }
  const app = await startApp(config, log, { begin }).catch(async (error: unknown) => {
    await venues?.close();
    throw error;
  });
  await logStart(app, config, log);
  if (venues !== null) process.stdout.write(describeKeys(venues));
  const stop = async (): Promise<void> => {
    try {
      await app.stop();
    } finally {
      await venues?.close();
    }
  };
  stopOnSignal({ stop }, log);
  void app.lost.then((error) => endWithout({ stop }, error, log));
}

async function logStart(app: App, config: Config, log: Log): Promise<void> {
  if (app.newKeyFile !== null) {
    log.warn("a key file was made: back it up, apart from the database; without it every secret is lost", {
      path: app.newKeyFile,
    });
  }
  const facts = describeStart(app, config, await hasNoTenant(app));
  log.info("started", facts);
  if (process.stderr.isTTY) process.stderr.write(bannerOf(facts));
  log.info("metrics", { address: app.metricsUrl });
  if (app.url === null) log.info("running the clock");
  else log.info("listening", { address: app.url, path: "/docs" });
}

async function hasNoTenant({ custody: { db } }: App): Promise<boolean> {
  const one = (tx: PlatformTx) => tx.selectFrom("tenants").select("id").limit(1).executeTakeFirst();
  return (await withPlatform(db, one)) === undefined;
}

/** For a person: what to type to register a credential. Only the simulated venues accept these keys. */
function describeKeys({ keys, keysFile }: Simulated): string {
  const lines = keys.flatMap(({ venue, environment, secret }) => [
    `${venue} ${environment}`,
    // A private key is printed on one line, so that it can be pasted.
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

/** Ends the process, so that a supervisor starts the whole service again. */
async function endWithout(app: Pick<App, "stop">, error: StartError, log: Log): Promise<void> {
  log.error("the database has ended, so the service ends", { error });
  say(error);
  setTimeout(() => process.exit(1), lastPatience);
  await app.stop().catch((failure: unknown) => log.error("could not stop cleanly", { error: failure }));
  process.exit(1);
}

function say(error: StartError): void {
  process.stderr.write(`keyhold: ${error.message}\n`);
  process.exitCode = 1;
}

/** Reads `npm start -- --simulated --new`. Throws `StartError` for any other argument. */
function readOptions(): ServeOptions {
  try {
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({ options: { simulated: flag, new: flag } });
    return { simulated: values.simulated, begin: values.new };
  } catch (cause) {
    throw new StartError(
      "The only arguments are --simulated and --new; everything else comes from the environment.",
      { cause },
    );
  }
}

/** A refused start prints one sentence; any other error is a defect and prints its stack. */
if (import.meta.main) {
  try {
    await serve(readOptions());
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    say(error);
  }
}
