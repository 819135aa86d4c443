import { setTimeout as sleep } from "node:timers/promises";
import { Client, DatabaseError } from "pg";
import { StartError } from "../errors.ts";
import type { Connection } from "./connect.ts";
import { judgeVersion } from "./roles.ts";

const pauseMs = 500;
const patienceMs = 5000;

/**
 * Waits until the database accepts a connection, and checks that it is a primary of a supported version, and
 * whether a pooler is in front of it. Throws StartError.
 * @returns the connection to use from now on.
 */
export async function reachServer(
  connection: Connection,
  options: Readonly<{
    /** The setting that holds the URL, for messages. */
    variable: string;
    /** Milliseconds to wait for a server that is not there yet; 30 seconds when left out. */
    waitMs?: number;
    /** Called once, when it must wait. */
    onEvent?: (event: "waiting") => void;
  }>,
): Promise<Connection> {
  const { variable, waitMs = 30_000, onEvent } = options;
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
      if (!waiting) onEvent?.("waiting");
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

/** Tries the hosts until one is a primary. Throws `Unreachable` for the first of them. */
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

/** @returns whether a pooler is in front of the server. */
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
    // A pooler gives its clients process numbers of its own, which are for the cancelling of statements.
    return pooled || Reflect.get(client, "processID") !== facts.pid;
  } catch (error) {
    if (pooled || !refusesParameters(error)) throw error;
    return await askServer({ ...connection, pooled: true });
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * PgBouncer refuses parameters that it does not keep for each client ("unsupported startup parameter:
 * statement_timeout").
 */
function refusesParameters(error: unknown): boolean {
  return error instanceof DatabaseError && /startup parameter/.test(error.message);
}

type Place = Readonly<{ address: string; host: string; role: string; database: string; variable: string }>;
type Known = Readonly<{ passes?: true; say: (place: Place, said: string) => string }>;

const verification = "KEYHOLD_DATABASE_CA_FILE names the authorities to trust in place of the usual ones.";

/** By the code of the system, of OpenSSL or of PostgreSQL (its documentation, "PostgreSQL Error Codes"). */
const known: Readonly<Record<string, Known>> = {
  ENOTFOUND: { passes: true, say: ({ host, variable }) => `The host ${host} in ${variable} is not known.` },
  EAI_AGAIN: {
    passes: true,
    say: ({ host, variable }) => `The name of the host ${host} in ${variable} cannot be looked up now.`,
  },
  ECONNREFUSED: {
    passes: true,
    say: ({ address, variable }) =>
      `No PostgreSQL answers at ${address}: the connection is refused. Start it, or correct the host and the port in ${variable}.`,
  },
  ENOENT: {
    passes: true,
    say: ({ address, variable }) =>
      `There is no socket of a PostgreSQL at ${address}. Start it, or correct ${variable}.`,
  },
  EACCES: {
    say: ({ address, variable }) =>
      `The user who runs Keyhold may not use the socket at ${address}, which ${variable} names.`,
  },
  ETIMEDOUT: { passes: true, say: noAnswer },
  EHOSTUNREACH: { passes: true, say: noAnswer },
  ENETUNREACH: { passes: true, say: noAnswer },
  ECONNRESET: { passes: true, say: closes },
  EPIPE: { passes: true, say: closes },
  EPROTO: {
    say: ({ address, variable }) =>
      `What answers at ${address} (${variable}) speaks no TLS that Keyhold knows.`,
  },
  ERR_TLS_CERT_ALTNAME_INVALID: {
    say: ({ address, host, variable }) =>
      `The certificate of the database at ${address} is for another name than ${host}. Write the name of the certificate in ${variable}.`,
  },
  CERT_HAS_EXPIRED: { say: ({ address }) => `The certificate of the database at ${address} has expired.` },
  DEPTH_ZERO_SELF_SIGNED_CERT: { say: untrusted },
  SELF_SIGNED_CERT_IN_CHAIN: { say: untrusted },
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: { say: untrusted },
  UNABLE_TO_GET_ISSUER_CERT: { say: untrusted },
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: { say: untrusted },
  "28P01": {
    say: ({ address, role, variable }) =>
      `The database at ${address} refuses the password of the role ${role}. Correct ${variable}, or set the role's password: alter role "${role}" password '…'.`,
  },
  "28000": { say: refusesRole },
  "3D000": {
    say: ({ address, database, variable }) =>
      `There is no database ${database} at ${address}. Create it, or correct ${variable}.`,
  },
  "42501": {
    say: ({ database, role }) =>
      `The role ${role} may not connect to the database ${database}: grant connect on database "${database}" to "${role}".`,
  },
  "25006": {
    passes: true,
    say: ({ address, variable }) =>
      `The database at ${address} is a standby, which takes no writes. Name the primary in ${variable}, or all hosts.`,
  },
  "53300": {
    passes: true,
    say: ({ address }) => `The database at ${address} has no connection left. Raise its max_connections.`,
  },
  "57P03": {
    passes: true,
    say: ({ address }) => `The database at ${address} is starting up or shutting down.`,
  },
};

/** Errors of the driver without a code, by their message. */
const byMessage: readonly (readonly [RegExp, Known])[] = [
  [/timeout/i, { passes: true, say: noAnswer }],
  [/terminated unexpectedly/, { passes: true, say: closes }],
  [
    /does not support SSL/,
    {
      say: ({ address }) =>
        `The database at ${address} offers no TLS, and Keyhold sends no password without. Set it up there, or set KEYHOLD_DATABASE_TLS to off for a network that no other machine can read.`,
    },
  ],
  [
    /password must be a/,
    {
      say: ({ address, variable }) =>
        `The database at ${address} asks for a password, and ${variable} has none.`,
    },
  ],
  [
    /SASL|SCRAM/,
    { say: ({ address }) => `The database at ${address} asks for a login that Keyhold does not know.` },
  ],
];

/**
 * Why a database cannot be used, for its operator, and whether waiting may help; `null` for an error that is
 * not about a connection.
 */
function troubleOf(
  error: unknown,
  connection: Connection,
  variable: string,
): Readonly<{ sentence: string; passes: boolean }> | null {
  if (!(error instanceof Error)) return null;
  const found = find(error);
  if (found === null) return null;
  const { host = "", port = 0, user = "", database = "" } = connection;
  const place = {
    address: host.startsWith("/") ? host : `${host}:${port}`,
    host,
    role: user,
    database,
    variable,
  };
  return { sentence: found.say(place, error.message), passes: found.passes === true };
}

function find(error: Error): Known | null {
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  const byCode = known[code] ?? byMessage.find(([pattern]) => pattern.test(error.message))?.[1];
  if (byCode !== undefined) return byCode;
  if (error instanceof DatabaseError) return { passes: true, say: refuses };
  return "syscall" in error ? { passes: true, say: noAnswer } : null;
}

function noAnswer({ address, variable }: Place): string {
  return `No answer comes from the database at ${address}. Correct ${variable}, or let Keyhold's machine reach it.`;
}

function closes({ address, variable }: Place): string {
  return `What answers at ${address} closes the connection. Look whether ${variable} names a PostgreSQL.`;
}

function untrusted({ address }: Place): string {
  return `The certificate of the database at ${address} is signed by no authority that Keyhold trusts. ${verification}`;
}

function refusesRole({ address, role, variable }: Place, said: string): string {
  if (/encryption/.test(said) && !/SSL encryption/.test(said)) {
    return `The database at ${address} takes the role ${role} over TLS alone. Set KEYHOLD_DATABASE_TLS to verify, and sslmode=verify-full in ${variable} for a database on this machine.`;
  }
  return `The database at ${address} does not let the role ${role} of ${variable} in: ${said}.`;
}

/** Before a connection is made, a message of the server contains names only. */
function refuses({ address, variable }: Place, said: string): string {
  return `The database at ${address} (${variable}) refuses the connection: ${said}.`;
}
