import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { localIssuerName, openLocalIssuer } from "../src/access/local-issuer.ts";
import { roles } from "../src/access/permissions.ts";
import type { Member } from "../src/access/principal.ts";
import { startApp } from "../src/app.ts";
import { readConfig } from "../src/config/config.ts";
import { register } from "../src/credentials/register.ts";
import { createLog } from "../src/telemetry/log.ts";
import { type Ran, runCli } from "./cli.ts";
import { urlOf } from "./connection.ts";
import { ScriptedVenue } from "./scripted-venue.ts";
import { type Service, startService } from "./service.ts";
import { createWorld, secretFields, simulatedHosts, type World } from "./world.ts";

type Settings = Readonly<Record<string, string>>;

/** A credential that may be revealed, and what it must hold. */
export type Kept = Readonly<{
  id: string;
  tenantId: string;
  owner: Member;
  token: string;
  apiSecret: string;
}>;
export type Revealed = Readonly<{ status: number; body: string; json: Readonly<Record<string, unknown>> }>;

/** The service in this process, with everything that it logs. */
export type ServiceHere = Readonly<{
  url: string;
  log(): readonly string[];
  metrics(): Promise<string>;
  stop(): Promise<void>;
}>;

/** A database with credentials, and the settings by which services and an operator's commands reach it. */
export type Installation = Readonly<{
  world: World;
  folder: string;
  /** By which its services and commands reach it. */
  settings: Settings;
  kept: readonly Kept[];
  /** Keeps credentials in this database, in a tenant of their own. */
  keep(count: number): Promise<readonly Kept[]>;
  startProcess(more?: Settings): Promise<Service>;
  startHere(more?: Settings): Promise<ServiceHere>;
  /** Runs `keyhold` with these arguments beside the service. */
  keyhold(argv: readonly string[], more?: Settings): Promise<Ran>;
  /** Which secrets a service does not give as they were kept, and what it answers. */
  unreadable(service: Readonly<{ url: string }>): Promise<readonly string[]>;
  close(): Promise<void>;
}>;

export async function createInstallation(settings: Settings = {}): Promise<Installation> {
  const world = await createWorld();
  const folder = await mkdtemp(join(tmpdir(), "keyhold-installation-"));
  const issuer = await openLocalIssuer(folder);
  const environment: Settings = {
    DATABASE_URL: urlOf(world.database.connection("keyhold_app")),
    KEYHOLD_FOLDER: folder,
    KEYHOLD_KEY_FILE: world.keyFile,
    KEYHOLD_LOCAL_ISSUER: "on",
    KEYHOLD_PORT: "0",
    KEYHOLD_METRICS_PORT: "0",
    KEYHOLD_VENUE_HOSTS: JSON.stringify(simulatedHosts(world.simulator)),
    KEYHOLD_REQUESTS_PER_MINUTE: "1000000",
    KEYHOLD_REVEALS_PER_MINUTE: "1000000",
    ...settings,
  };
  const kept: Kept[] = [];
  return {
    world,
    folder,
    settings: environment,
    kept,
    async keep(count) {
      const { owner, subject, id: tenantId } = await world.createTenant(localIssuerName);
      const scopes = roles.owner.scopes;
      const token = await issuer.mintToken({ tenantId, subject, scopes, agent: false, ttlSeconds: 3600 });
      const secrets = await keepSecrets(world, owner, count);
      const credentials = secrets.map((secret) => ({ ...secret, tenantId, owner, token }));
      kept.push(...credentials);
      return credentials;
    },
    startProcess: (more = {}) => startService({ ...environment, ...more }),
    startHere: (more = {}) => startHere({ ...environment, ...more }),
    keyhold: (argv, more = {}) => runCli(argv, { environment: { ...environment, ...more } }),
    unreadable: ({ url }) => unreadable(url, kept),
    async close() {
      await world.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function keepSecrets(world: World, owner: Member, count: number) {
  const custody = new ScriptedVenue().in(world.custody);
  const accountId = await world.createAccount(owner);
  const secrets: Pick<Kept, "id" | "apiSecret">[] = [];
  for (let n = 0; n < count; n += 1) {
    const apiSecret = randomBytes(16).toString("hex");
    const fields = secretFields({ api_key: `key-${n}`, api_secret: apiSecret });
    const of = { accountId, venue: "scripted", environment: "live", label: `desk ${n}`, fields } as const;
    const policy = { allow: ["read"], reveal: true } as const;
    secrets.push({ apiSecret, id: (await register(custody, owner, { ...of, policy })).id });
  }
  return secrets;
}

async function startHere(environment: Settings): Promise<ServiceHere> {
  const written: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      written.push(chunk.toString());
      done();
    },
  });
  const app = await startApp(readConfig(environment), createLog("info", sink));
  const { url, metricsUrl } = app;
  if (url === null) throw new Error("the service has no API");
  return {
    url,
    log: () => written.join("").split("\n"),
    metrics: async () => (await fetch(metricsUrl)).text(),
    stop: () => app.stop(),
  };
}

/** Asks a service for a secret, as its owner does. */
export async function reveal(
  { url }: Readonly<{ url: string }>,
  { id, token }: Pick<Kept, "id" | "token">,
): Promise<Revealed> {
  const answer = await fetch(`${url}/api/v1/credentials/${id}/reveal`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ reason: "to see it" }),
  });
  const body = await answer.text();
  return { status: answer.status, body, json: Object.assign({}, JSON.parse(body)) };
}

async function unreadable(url: string, kept: readonly Kept[]): Promise<readonly string[]> {
  const answers = await Promise.all(kept.map((one) => reveal({ url }, one)));
  return answers.flatMap(({ body }, at) => (body.includes(kept[at]?.apiSecret ?? "?") ? [] : [body]));
}
