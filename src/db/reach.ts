import { setTimeout as sleep } from "node:timers/promises";
import { Client, DatabaseError } from "pg";
import { StartError } from "../errors.ts";
import type { Connection } from "./connect.ts";
import { judgeVersion } from "./guard.ts";
import { troubleOf } from "./trouble.ts";

export type ReachOptions = Readonly<{
  /** The setting that holds the URL, for messages. */
  variable: string;
  /** Milliseconds to wait for a server that is not there yet; 30 seconds when left out. */
  waitMs?: number;
  /** Called once, when it has to wait. */
  tell?: (event: "waiting") => void;
}>;

const pauseMs = 500;
const patienceMs = 5000;

/**
 * Waits until the database takes a connection, and looks at what is there: a server of a version that Keyhold runs on, which takes writes,
 * and whether a pooler is in front of it. Answers with the connection to use from then on. Throws StartError.
 */
export async function reachServer(connection: Connection, options: ReachOptions): Promise<Connection> {
  const { variable, waitMs = 30_000, tell } = options;
  const until = performance.now() + waitMs;
  for (let waiting = false; ; waiting = true) {
    try {
      return await look(connection);
    } catch (error) {
      const trouble =
        error instanceof Unreachable ? troubleOf(error.cause, error.connection, variable) : null;
      if (trouble === null) throw error instanceof Unreachable ? error.cause : error;
      const late = performance.now() >= until;
      if (late || !trouble.passes) {
        const waited = trouble.passes ? ` Keyhold has waited for ${Math.round(waitMs / 1000)} seconds.` : "";
        throw new StartError(`${trouble.sentence}${waited}`, { cause: error });
      }
      if (!waiting) tell?.("waiting");
      await sleep(pauseMs);
    }
  }
}

/** An error of one of the hosts. */
class Unreachable extends Error {
  readonly connection: Connection;

  constructor(connection: Connection, cause: unknown) {
    super("the database cannot be reached", { cause });
    this.connection = connection;
  }
}

/** Goes through the hosts until one is a primary. Throws `Unreachable` for the first of them. */
async function look({ others = [], ...connection }: Connection): Promise<Connection> {
  const { host = "", port = 5432 } = connection;
  const hosts = [{ host, port }, ...others];
  const failures: Unreachable[] = [];
  for (const one of hosts) {
    const asked = { ...connection, ...one };
    try {
      const pooled = await askServer(asked);
      const rest = hosts.filter((other) => other !== one);
      return { ...asked, ...(rest.length === 0 ? {} : { others: rest }), ...(pooled ? { pooled } : {}) };
    } catch (error) {
      if (error instanceof StartError) throw error;
      failures.push(new Unreachable(asked, error));
    }
  }
  throw failures[0] ?? new Error("the database has no host");
}

/** Answers whether a pooler is in front of the server. */
async function askServer(connection: Connection): Promise<boolean> {
  const { pooled = false, ...config } = connection;
  const client = new Client({
    ...config,
    application_name: "keyhold start",
    connectionTimeoutMillis: patienceMs,
    query_timeout: patienceMs,
    ...(pooled ? {} : { statement_timeout: patienceMs }),
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    const { rows } = await client.query<{ version: number; pid: number; standby: boolean }>(
      `select current_setting('server_version_num')::integer as version, pg_backend_pid() as pid,
         pg_is_in_recovery() as standby`,
    );
    const [facts] = rows;
    if (facts === undefined) throw new Error("the server returned no row");
    const objection = judgeVersion(facts.version);
    if (objection !== null) throw new StartError(objection);
    if (facts.standby) throw Object.assign(new Error("the server is a standby"), { code: "25006" });
    // A pooler gives its clients process numbers of its own, by which they would cancel a statement.
    return pooled || Reflect.get(client, "processID") !== facts.pid;
  } catch (error) {
    if (pooled || !refusesParameters(error)) throw error;
    return await askServer({ ...connection, pooled: true });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** As PgBouncer does with all that it does not keep for each client ("unsupported startup parameter: statement_timeout"). */
function refusesParameters(error: unknown): boolean {
  return error instanceof DatabaseError && /startup parameter/.test(error.message);
}
