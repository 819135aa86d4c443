import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import type { FastifyInstance } from "fastify";
import type { ClientConfig, Pool } from "pg";
import { OperatorKeys, KeyUses } from "../src/access/api-keys.ts";
import { Authenticator } from "../src/access/authenticate.ts";
import { type LocalIssuer, localIssuerName, openLocalIssuer } from "../src/access/local-issuer.ts";
import { Memberships } from "../src/access/membership.ts";
import { type Role, roles } from "../src/access/permissions.ts";
import { type Limit, RateLimits } from "../src/access/rate-limits.ts";
import { createTokenVerifier, type Issuer } from "../src/access/tokens.ts";
import { Strangers } from "../src/access/unauthenticated.ts";
import { Disclosures } from "../src/audit/disclosures.ts";
import type { GrantsOptions } from "../src/audit/grants.ts";
import { refusalRecorder } from "../src/audit/refusals.ts";
import type { Custody } from "../src/credentials/custody.ts";
import { type Db, openDb, openPool } from "../src/db/connect.ts";
import { IdempotencyKeys } from "../src/http/idempotency.ts";
import { Cursors } from "../src/http/paging.ts";
import type { Route } from "../src/http/route.ts";
import { createRoutes } from "../src/http/routes/index.ts";
import { createServer } from "../src/http/server.ts";
import { signer } from "../src/http/sign.ts";
import { createLog } from "../src/telemetry/log.ts";
import { createMetrics, type Metrics } from "../src/telemetry/metrics.ts";
import { createGuard } from "../src/webhooks/guard.ts";
import { signed } from "./rights.ts";
import { createWorld } from "./world.ts";

export type ApiOptions = Readonly<{
  limits?: Partial<Record<Exclude<Limit, "refusals">, number>>;
  issuers?: readonly Issuer[];
  trustedProxies?: readonly string[];
  /** Requests without a valid token a minute, from one address. */
  failures?: number;
  connections?: number;
  /** Makes the domain other than it is. */
  custody?: (custody: Custody) => Custody;
  /** How rights are verified. */
  grants?: GrantsOptions;
  /** Opens the connection that the routes use, in the place of the usual one. */
  open?: (pool: Pool) => Db;
  /** Makes the routes other than they are. */
  routes?: (routes: readonly Route[]) => readonly Route[];
}>;

/** An answer, with its body as it was sent and as JSON. */
export type Answered = Readonly<{
  status: number;
  headers: Readonly<Record<string, unknown>>;
  text: string;
  json: Readonly<Record<string, unknown>>;
}>;

export type Sent = Readonly<{ body?: object | string; headers?: Readonly<Record<string, string>> }>;

/** Somebody who calls with one token. */
export type Client = Readonly<{
  token: string;
  get(path: string, sent?: Sent): Promise<Answered>;
  post(path: string, body?: object, headers?: Readonly<Record<string, string>>): Promise<Answered>;
  /** With the ETag of what is there, which is read first. */
  patch(path: string, body: object): Promise<Answered>;
  send(method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE", path: string, sent?: Sent): Promise<Answered>;
}>;

/** Makes an account and registers a credential in it; answers with the credential as it was shown. */
export async function registerCredential(
  client: Client,
  changes: Readonly<Record<string, unknown>> = {},
): Promise<Readonly<Record<string, unknown>> & { id: string; account_id: string }> {
  const account = await client.post("/api/v1/accounts", { name: "Main" });
  const answered = await client.post("/api/v1/credentials", {
    account_id: account.json["id"],
    venue: "scripted",
    environment: "live",
    secret: { api_key: "a key", api_secret: "a secret" },
    ...changes,
  });
  if (answered.status !== 201) throw new Error(`no credential was registered: ${answered.text}`);
  return {
    ...answered.json,
    id: String(answered.json["id"]),
    account_id: String(answered.json["account_id"]),
  };
}

/** One process of the service: an application of its own on the database and venues of the world. */
export type Api = Readonly<{
  app: FastifyInstance;
  routes: readonly Route[];
  metrics: Metrics;
  /** When API keys were used: written when a test says so. */
  keyUses: KeyUses;
  /** All lines that were logged. */
  log(): string;
  as(token: string): Client;
  close(): Promise<void>;
}>;

export type ApiTenant = Readonly<{
  id: string;
  owner: Client;
  ownerId: string;
  /** Adds a member and calls as that member; with all scopes of its role unless some are named. */
  addMember(
    role: Role,
    options?: { scopes?: readonly string[]; agent?: boolean },
  ): Promise<Client & { memberId: string; subject: string }>;
}>;

/** The API over HTTP on a real database, with Keyhold's own issuer and simulated venues. */
export async function createApiWorld(options: ApiOptions = {}) {
  const world = await createWorld();
  const folder = await mkdtemp(join(tmpdir(), "keyhold-api-"));
  const issuer = await openLocalIssuer(folder);
  const api = await createApi(world, issuer, options);
  const operator = api.as(
    await issuer.mintToken({ subject: "operator", scopes: ["platform:tenants"], ttlSeconds: 3600 }),
  );
  return {
    ...api,
    world,
    issuer,
    /** Where the keys of `issuer` are, for processes of the test's own. */
    folder,
    operator,
    createTenant: () => createTenant(api, issuer, operator),
    /** Another process on the same database. */
    another: (more: ApiOptions = options) => createApi(world, issuer, more),
    async close() {
      await api.close();
      await world.close();
      await rm(folder, { recursive: true });
    },
  };
}

export type ApiWorld = Awaited<ReturnType<typeof createApiWorld>>;

/** What a process of the service stands on. */
export type Site = Readonly<{
  custody: Custody;
  database: Readonly<{ connection(role: "keyhold_app"): ClientConfig }>;
}>;

export async function createApi(site: Site, issuer: LocalIssuer, options: ApiOptions): Promise<Api> {
  const pool = openPool(site.database.connection("keyhold_app"), { applicationName: "api" });
  const db = (options.open ?? openDb)(pool);
  const prove = signed({ db, dataKeys: site.custody.dataKeys }, options.grants);
  const disclosures = new Disclosures(pool, prove);
  const custody = (options.custody ?? ((whole) => whole))({ ...site.custody, db, disclosures });
  const written: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      written.push(chunk.toString());
      done();
    },
  });
  const sign = signer((tenantId, purpose, bytes) => custody.dataKeys.mac(tenantId, purpose, bytes));
  const keyUses = new KeyUses(db);
  const verify = createTokenVerifier([issuer.issuer, ...(options.issuers ?? [])]);
  const authenticator = new Authenticator(
    verify,
    new Memberships(db, prove, { keepMs: 100 }),
    Date.now,
    new OperatorKeys(db, { keepMs: 100 }),
    keyUses,
  );
  const metrics = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  // Receivers of the tests are on this machine.
  const guard = createGuard({ networks: ["127.0.0.1"] });
  const parts = {
    custody,
    webhooks: { db, dataKeys: custody.dataKeys, guard },
    cursors: new Cursors(sign),
    egressAddresses: () => [],
    forget: (memberId: string) => authenticator.forget(memberId),
    ready: () => Promise.resolve("ok" as const),
  };
  const routes = (options.routes ?? ((all) => all))(createRoutes(parts));
  const app = await createServer(
    {
      http: {
        bodyLimitBytes: 65_536,
        connections: options.connections ?? 1000,
        trustedProxies: options.trustedProxies ?? false,
      },
      authenticator,
      strangers: new Strangers(options.failures ?? 1_000_000),
      limits: new RateLimits(pool, {
        requests: 100_000,
        reveals: 100_000,
        invokes: 100_000,
        ...options.limits,
      }),
      recordRefusal: refusalRecorder(db),
      idempotency: new IdempotencyKeys(db, sign),
      metrics,
      log: createLog("debug", sink),
    },
    routes,
  );
  return {
    app,
    routes,
    metrics,
    keyUses,
    log: () => written.join(""),
    as: (token) => clientOf(app, token),
    async close() {
      await app.close();
      await guard.close();
      await db.destroy();
    },
  };
}

function clientOf(app: FastifyInstance, token: string): Client {
  const send: Client["send"] = async (method, path, { body, headers } = {}) => {
    const response = await app.inject({
      method,
      url: path,
      headers: {
        ...(token === "" ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return {
      status: response.statusCode,
      headers: response.headers,
      text: response.body,
      json: asJson(response.body),
    };
  };
  return {
    token,
    send,
    get: (path, sent) => send("GET", path, sent),
    async patch(path, body) {
      const { headers } = await send("GET", path);
      return send("PATCH", path, { body, headers: { "if-match": String(headers["etag"]) } });
    },
    post: (path, body, headers) =>
      send("POST", path, {
        ...(body === undefined ? {} : { body }),
        ...(headers === undefined ? {} : { headers }),
      }),
  };
}

function asJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return Object.assign({}, value);
  } catch {
    return {};
  }
}

let subjects = 0;

async function createTenant(api: Api, issuer: LocalIssuer, operator: Client): Promise<ApiTenant> {
  const subject = `owner-${(subjects += 1)}`;
  const created = await operator.post("/api/v1/tenants", {
    name: subject,
    owner: { issuer: localIssuerName, subject },
  });
  const { tenant, owner_id: ownerId } = created.json;
  const id = String(Object.assign({ id: undefined }, tenant).id);
  const clientFor = async (member: string, scopes: readonly string[], agent: boolean): Promise<Client> =>
    api.as(await issuer.mintToken({ tenantId: id, subject: member, scopes, agent, ttlSeconds: 3600 }));
  const owner = await clientFor(subject, roles.owner.scopes, false);
  return {
    id,
    owner,
    ownerId: String(ownerId),
    async addMember(role, { scopes = roles[role].scopes, agent = false } = {}) {
      const someone = `${role}-${(subjects += 1)}`;
      const added = await owner.post("/api/v1/members", { issuer: localIssuerName, subject: someone, role });
      if (added.status !== 201) throw new Error(`no member was added: ${added.text}`);
      return {
        ...(await clientFor(someone, scopes, agent)),
        memberId: String(added.json["id"]),
        subject: someone,
      };
    },
  };
}
