import { StartError } from "../errors.ts";

export type Host = Readonly<{ host: string; port: number }>;

/** The parts of a database URL, unescaped. */
export type DatabaseUrl = Readonly<{
  /** At least one. The first primary among them is used. */
  hosts: readonly Host[];
  user: string;
  password?: string;
  database: string;
  /**
   * What the URL demands of TLS: `require` covers `verify-ca` and `verify-full`; `null` when it demands
   * nothing.
   */
  tls: "require" | "off" | null;
  /** A file with the authorities to trust. */
  caFile?: string;
  /**
   * Whether the login is bound to the TLS connection if the server supports that (RFC 5802,
   * SCRAM-SHA-256-PLUS).
   */
  channelBinding: boolean;
  /** How some hosts of PostgreSQL select a database, such as `endpoint=…`. */
  options?: string;
  /** Whether the URL says that a pooler is in front of the database. */
  pooled: boolean;
}>;

/**
 * Reads a URL as libpq does (PostgreSQL's documentation, "Connection URIs"): several hosts, a Unix socket as
 * `?host=/folder` or as a host of `%2Ffolder`, and user, password, port and database also as parameters. It
 * accepts parameters that demand no more than Keyhold does. Throws StartError, which begins with `variable`
 * and repeats nothing of the URL but the name of a parameter.
 */
export function parseDatabaseUrl(text: string, variable: string): DatabaseUrl {
  const {
    login = "",
    authority = "",
    path = "",
    query = "",
  } = form.exec(text)?.groups ?? refuseForm(variable);
  const parameters = readParameters(query, variable);
  const [user, password] = login.split(/:(.*)/s);
  const part = (written: string | undefined, name: string): string =>
    parameters.get(name) ?? decode(written ?? "", variable);
  const found = {
    hosts: readHosts(authority, parameters, variable),
    user: part(user, "user"),
    password: part(password, "password"),
    database: part(path, "dbname"),
  };
  if (found.hosts.some(({ host }) => host === "") || found.user === "" || found.database === "") {
    throw new StartError(`${variable} needs a user, a host and a database: postgres://user@host/database.`);
  }
  const { password: secret, ...rest } = found;
  return { ...rest, ...(secret === "" ? {} : { password: secret }), ...readWishes(parameters, variable) };
}

const form =
  /^postgres(?:ql)?:\/\/(?:(?<login>[^/?#]*)@)?(?<authority>[^@/?#]*)(?:\/(?<path>[^/?#]*))?(?:\?(?<query>[^#]*))?$/;

function refuseForm(variable: string): never {
  throw new StartError(
    `${variable} is not of the form postgres://user:password@host:port/database. Write / as %2F, ? as %3F, # as %23 and @ as %40 in a password.`,
  );
}

function decode(text: string, variable: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new StartError(`${variable} has a % that begins no escape. Write it as %25.`, { cause });
  }
}

function readParameters(query: string, variable: string): ReadonlyMap<string, string> {
  const pairs = query.split("&").filter((pair) => pair !== "");
  return new Map(
    pairs.map((pair) => {
      const [name = "", value = ""] = pair.split(/=(.*)/s);
      return [decode(name, variable), decode(value, variable)] as const;
    }),
  );
}

function readHosts(
  authority: string,
  parameters: ReadonlyMap<string, string>,
  variable: string,
): readonly Host[] {
  const written = authority.split(",").map((one) => {
    const {
      v6,
      name = "",
      port,
    } = /^(?:\[(?<v6>[^\]]*)\]|(?<name>[^:]*))(?::(?<port>.*))?$/.exec(one)?.groups ?? {};
    return { host: decode(v6 ?? name, variable), port };
  });
  const names = parameters.get("host")?.split(",") ?? written.map(({ host }) => host);
  const ports = parameters.get("port")?.split(",") ?? written.map(({ port }) => port);
  return names.map((host, at) => ({ host, port: readPort(ports[at] ?? ports[0], variable) }));
}

function readPort(text: string | undefined, variable: string): number {
  if (text === undefined || text === "") return 5432;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new StartError(`${variable} has a port that is no number from 1 to 65535.`);
}

function readWishes(
  parameters: ReadonlyMap<string, string>,
  variable: string,
): Pick<DatabaseUrl, "tls" | "caFile" | "channelBinding" | "options" | "pooled"> {
  for (const [name, value] of parameters) {
    if (taken.get(name)?.test(value) !== true) throw refusal(name, value, variable);
  }
  const sslmode = parameters.get("sslmode") ?? sslWords[parameters.get("ssl") ?? ""] ?? "prefer";
  const rootCertificate = parameters.get("sslrootcert") ?? "system";
  const options = parameters.get("options");
  return {
    tls: sslmode === "disable" ? "off" : tlsDemanding.has(sslmode) ? "require" : null,
    channelBinding: parameters.get("channel_binding") === "require",
    pooled: parameters.get("pgbouncer") === "true",
    ...(rootCertificate === "system" ? {} : { caFile: rootCertificate }),
    ...(options === undefined ? {} : { options }),
  };
}

const sslWords: Readonly<Record<string, string>> = {
  true: "require",
  "1": "require",
  false: "disable",
  "0": "disable",
};
const tlsDemanding: ReadonlySet<string> = new Set(["require", "verify-ca", "verify-full"]);
const anything = /^/;
const number = /^\d{1,9}$/;

/**
 * Parameters with the values that Keyhold fulfils. The names are those of libpq, and those that hosts of
 * PostgreSQL put into their URLs for other drivers.
 */
const taken: ReadonlyMap<string, RegExp> = new Map([
  ["host", anything],
  ["port", anything],
  ["user", anything],
  ["password", anything],
  ["dbname", anything],
  ["sslmode", /^(?:disable|allow|prefer|require|verify-ca|verify-full)$/],
  ["ssl", /^(?:true|false|1|0)$/],
  ["sslrootcert", /^(?:system|\/.*)$/],
  ["sslnegotiation", /^postgres$/],
  ["sslsni", /^1$/],
  ["sslaccept", /^strict$/],
  ["ssl_min_protocol_version", /^TLSv1(?:\.[0-2])?$/],
  ["uselibpqcompat", /^true$/],
  ["channel_binding", /^(?:disable|prefer|require)$/],
  ["gssencmode", /^(?:disable|prefer)$/],
  ["target_session_attrs", /^(?:any|read-write|primary)$/],
  ["load_balance_hosts", /^disable$/],
  // Neon, Supabase and CockroachDB find a database by it when the name in the TLS handshake does not reach
  // them.
  ["options", /^(?:-{0,2}(?:endpoint|project|reference|cluster)=[\w.-]+)$/],
  ["application_name", anything],
  ["fallback_application_name", anything],
  ["client_encoding", /^(?:utf-?8|auto)$/i],
  ["connect_timeout", number],
  ["keepalives", number],
  ["keepalives_idle", number],
  ["keepalives_interval", number],
  ["keepalives_count", number],
  ["tcp_user_timeout", number],
  ["pgbouncer", /^(?:true|false)$/],
  ["supa", anything],
  ["workaround", anything],
  ["pool_mode", /^(?:session|transaction)$/],
  ["connection_limit", number],
  ["pool_timeout", number],
  ["statement_cache_size", number],
  ["prepared_statements", /^(?:true|false)$/],
  ["schema", /^public$/],
]);

function refusal(name: string, value: string, variable: string): StartError {
  if (name === "sslmode" || name === "ssl") {
    return new StartError(
      `${variable} has ${name} with a value that Keyhold does not take, because it does not verify the server. Use sslmode=verify-full.`,
    );
  }
  const what = taken.has(name)
    ? "a value that Keyhold does not take"
    : "a parameter that Keyhold does not read";
  const remedy =
    name === "options" && value !== "" ? "Set it for the role instead: alter role … set …." : "Remove it.";
  return new StartError(
    `${variable} has ${what}: ${/^\w{1,40}$/.test(name) ? name : "one with an odd name"}. ${remedy}`,
  );
}
