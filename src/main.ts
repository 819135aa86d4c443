import { parseArgs } from "node:util";
import { type App, startApp } from "./app.ts";
import { type Config, readConfig } from "./config/config.ts";
import { type PlatformTx, withPlatform } from "./db/tenant.ts";
import { StartError } from "./errors.ts";
import { refuseSimulatedFolder, type Simulated, startSimulated } from "./simulated.ts";
import { createLog, type Log } from "./telemetry/log.ts";
import { version } from "./version.ts";

/**
 * `simulated`: with venues on this machine in place of the real ones. `begin`: with an empty embedded database,
 * although a key file or a note shows an earlier one.
 */
type ServeOptions = Readonly<{ simulated?: boolean; begin?: boolean }>;

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

/**
 * The facts of a started service for its operator: what it runs on, and what to do next. `isNew`: there is no
 * tenant yet.
 */
function describeStart(app: App, config: Config, isNew: boolean) {
  const { issuers } = config.access;
  const names = issuers.map(({ issuer }) => issuer);
  return {
    version: version(),
    database: app.database,
    stores: config.stores.order.join(", "),
    keys: config.keys.order.map((kind) => (kind === "file" ? `the file ${config.keyFile}` : kind)).join(", "),
    issuers: [...names, ...(app.localIssuer === null ? [] : ["its own, for trying things out"])].join(", "),
    address: app.url ?? "none: a worker answers no requests",
    metrics: app.metricsUrl,
    next: nextStep(app, isNew),
  };
}

function nextStep({ url, localIssuer, newKeyFile }: App, isNew: boolean): string {
  const backUp = newKeyFile === null ? "" : `Back up ${newKeyFile}, apart from the database. `;
  if (url === null) return `${backUp}Nothing: it does scheduled work.`;
  if (!isNew) return `${backUp}The API is described at ${url}/docs.`;
  const from = url === "http://127.0.0.1:7070" ? "" : `KEYHOLD_URL=${url} `;
  const key = localIssuer === null ? "operator-key create" : "token --operator";
  return `${backUp}Open the first tenant: set KEYHOLD_TOKEN to what \`npx keyhold ${key}\` prints, and run \`${from}npx keyhold tenant create NAME --owner SUBJECT\`. The API is described at ${url}/docs.`;
}

/** For a person at a terminal. */
function bannerOf({ version: number, ...facts }: ReturnType<typeof describeStart>): string {
  const rows = Object.entries(facts).map(([name, value]) => `  ${name.padEnd(9)} ${value}\n`);
  return `\nKeyhold ${number}\n${rows.join("")}\n`;
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
