import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { Control } from "../simulator/control.ts";
import type { Simulator } from "../simulator/simulator.ts";
import type { Config } from "./config/config.ts";
import { StartError } from "./errors.ts";
import { makeFolder } from "./make-folder.ts";
import { readOwnFile } from "./own-file.ts";
import { createAdapters } from "./venues/adapters.ts";
import { environments } from "./venues/venue.ts";

/**
 * A file in the folder of the service with the keys that simulated venues accept, so that they stay the same
 * after a restart.
 */
const keysFile = "simulated-keys.json";

const secret = z.strictObject({
  api_key: z.string(),
  api_secret: z.string().exactOptional(),
  passphrase: z.string().exactOptional(),
});
const keyList = z.array(z.strictObject({ venue: z.string(), environment: z.enum(environments), secret }));

export type Simulated = Readonly<{
  /** The given configuration, with the simulated venues. */
  config: Config;
  keys: z.infer<typeof keyList>;
  keysFile: string;
  close(): Promise<void>;
}>;

/** An address without a listener: a venue that is not simulated cannot be reached. */
const nowhere = "http://127.0.0.1:9";

/**
 * Starts the simulated venues. Each request for a venue goes to them or fails. Throws `StartError` if real
 * credentials could reach them: with a database of one's own, or in a folder that was used with real venues.
 */
export async function startSimulated(config: Config): Promise<Simulated> {
  refuseReal(config);
  const path = join(config.folder, keysFile);
  const text = await readOwnFile(path, "The file of simulated keys");
  const kept = text === null ? [] : keyList.parse(JSON.parse(text));
  const { startSimulator } = await import("../simulator/simulator.ts");
  const simulator = await startSimulator();
  const keys = placesOf(simulator).map(({ venue, environment }) => {
    const known = kept.find((key) => key.venue === venue && key.environment === environment);
    return { venue, environment, secret: issue(simulator.control, { venue, environment }, known?.secret) };
  });
  await makeFolder(config.folder, "KEYHOLD_FOLDER");
  await writeFile(path, `${JSON.stringify(keys, null, 2)}\n`, { mode: 0o600 });
  const venues = { ...config.venues, hosts: hostsOf(simulator) };
  return { config: { ...config, venues }, keys, keysFile: path, close: () => simulator.close() };
}

function refuseReal({ database, venues, keyFile, folder }: Config): void {
  if (database.url !== null) {
    throw new StartError("--simulated keeps to the embedded PostgreSQL: leave DATABASE_URL out.");
  }
  if (Object.keys(venues.hosts).length > 0) {
    throw new StartError("--simulated says where the venues are: leave KEYHOLD_VENUE_HOSTS out.");
  }
  if (existsSync(keyFile) && !existsSync(join(folder, keysFile))) {
    throw new StartError(`${folder} was used with real venues: set KEYHOLD_FOLDER to another folder.`);
  }
}

/**
 * Throws `StartError` for a folder with credentials of simulated venues, because real venues would refuse
 * them.
 */
export function refuseSimulatedFolder({ folder }: Pick<Config, "folder">): void {
  if (!existsSync(join(folder, keysFile))) return;
  throw new StartError(
    `${folder} was used with --simulated: start with --simulated again, or set KEYHOLD_FOLDER to another folder.`,
  );
}

/** OKX and Bitget have one host, where a header selects demo trading. */
function placesOf({
  hosts,
}: Simulator): readonly Pick<Simulator["hosts"][number], "venue" | "environment">[] {
  const isShared = (venue: string) => venue === "okx" || venue === "bitget";
  const demo = hosts
    .filter(({ venue }) => isShared(venue))
    .map(({ venue }) => ({ venue, environment: "paper" as const }));
  return [...hosts, ...demo];
}

/** A key that may read and trade: the known one, or a new one. */
function issue(
  control: Control,
  { venue, environment }: ReturnType<typeof placesOf>[number],
  known: z.infer<typeof secret> | undefined,
): z.infer<typeof secret> {
  const given = {
    ...(known?.api_key !== undefined && { apiKey: known.api_key }),
    ...(known?.api_secret !== undefined && { apiSecret: known.api_secret }),
    ...(known?.passphrase !== undefined && { passphrase: known.passphrase }),
  };
  const { apiKey, apiSecret, passphrase } = control.addKey(venue, { account: "demo", environment, ...given });
  return {
    api_key: apiKey,
    ...(apiSecret !== "" && { api_secret: apiSecret }),
    ...(passphrase !== undefined && { passphrase }),
  };
}

/** For each venue: one URL if it has one host, otherwise one for each of its environments. */
function hostsOf({ hosts }: Simulator): Config["venues"]["hosts"] {
  const simulated = [...Map.groupBy(hosts, ({ venue }) => venue)].map(([venue, its]) => {
    const byEnvironment = Object.fromEntries(its.map(({ environment, url }) => [environment, url]));
    return [venue, its.length === 1 ? (its[0]?.url ?? nowhere) : byEnvironment] as const;
  });
  const others = [...createAdapters().keys()].map((venue) => [venue, nowhere] as const);
  return Object.fromEntries([...others, ...simulated]);
}
