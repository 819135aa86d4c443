import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IssuedKey } from "../simulator/control.ts";
import { startSimulator } from "../simulator/simulator.ts";
import { createKeyFile } from "../src/key-encryption/key-file.ts";
import { urlOf } from "./connection.ts";
import { createDatabase } from "./database.ts";
import { startService } from "./service.ts";
import { Shell } from "./shell.ts";
import { simulatedHosts } from "./world.ts";

const typed: string[] = [];

/** Every secret that was written to a command's standard input. */
export function secretsTyped(): readonly string[] {
  return [...new Set(typed)];
}

/** A venue's key as `--secret-stdin` takes it: one JSON object. */
export function asJson({ apiKey, apiSecret }: IssuedKey): string {
  typed.push(apiKey, apiSecret);
  return JSON.stringify({ api_key: apiKey, api_secret: apiSecret });
}

/** The same as lines of name=value. */
export function asLines({ apiKey, apiSecret }: IssuedKey): string {
  typed.push(apiKey, apiSecret);
  return `api_key=${apiKey}\napi_secret=${apiSecret}\n`;
}

/**
 * The service as `keyhold serve` runs it, through the launcher, with simulated venues, and somebody at a shell. `more` is what else
 * stands in its environment.
 */
export async function createCliWorld(more: Readonly<Record<string, string>> = {}) {
  const folder = await mkdtemp(join(tmpdir(), "keyhold-cli-"));
  const [database, simulator] = await Promise.all([createDatabase(), startSimulator()]);
  await createKeyFile(join(folder, "kek"));
  const environment = {
    DATABASE_URL: urlOf(database.connection("keyhold_app")),
    KEYHOLD_FOLDER: folder,
    KEYHOLD_KEY_FILE: join(folder, "kek"),
    KEYHOLD_LOCAL_ISSUER: "on",
    KEYHOLD_VENUE_HOSTS: JSON.stringify(simulatedHosts(simulator)),
    KEYHOLD_REQUESTS_PER_MINUTE: "100000",
    ...more,
  };
  const service = await startService(environment, ["bin/keyhold.js", "serve"]);
  const shell = new Shell({ ...environment, KEYHOLD_URL: service.url });
  const operator = await shell.field("none", "token --operator", "token");
  return {
    folder,
    simulator,
    service,
    shell,
    operator,
    openTenant: () => openTenant(shell, operator),
    async close() {
      await service.stop();
      await simulator.close();
      await database.drop();
      await rm(folder, { recursive: true });
    },
  };
}
export type CliWorld = Awaited<ReturnType<typeof createCliWorld>>;

/** A tenant with its owner alice and the traders bob and carol, each by a token, and an account of bob's. */
async function openTenant(shell: Shell, operator: string) {
  const tenant = await shell.field(operator, "tenant create Northwind --owner alice", "id");
  const tokenOf = (subject: string): Promise<string> =>
    shell.field("none", `token --tenant ${tenant} --subject ${subject}`, "token");
  const alice = await tokenOf("alice");
  await shell.run(alice, ["member", "add", "bob", "--role", "trader"]);
  await shell.run(alice, ["member", "add", "carol", "--role", "trader"]);
  const bob = await tokenOf("bob");
  const account = await shell.field(bob, "account create Main", "id");
  return { tenant, account, alice, bob, carol: await tokenOf("carol") };
}
