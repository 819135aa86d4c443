import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Member } from "../../src/access/principal.ts";
import type { StoreName } from "../../src/config/stores.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { reconcile } from "../../src/credentials/destroy.ts";
import { register } from "../../src/credentials/register.ts";
import { inStore, underRetiredKeys } from "../../src/credentials/reseal.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { addKey } from "../../src/key-encryption/key-file.ts";
import { openFileStore } from "../../src/stores/file.ts";
import { createStores } from "../../src/stores/open.ts";
import { databaseTime, destroyUnusedDataKeys } from "../../src/tenants/data-key.ts";
import { urlOf } from "../../testkit/connection.ts";
import { findOrphans } from "../../testkit/orphans.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";
import type { Task } from "./reseal-child.ts";

let world: World;
let folder: string;
let custody: Custody;
const kept: { member: Member; id: string; secret: string }[] = [];

beforeAll(async () => {
  world = await createWorld();
  folder = await mkdtemp(join(tmpdir(), "keyhold-reseal-crash-"));
  await mkdir(join(folder, "secrets"), { mode: 0o700 });
  const files = await openFileStore(join(folder, "secrets"));
  const stores = createStores(world.custody.stores.first, files);
  custody = new ScriptedVenue().in({ ...world.custody, stores });
  for (let tenant = 0; tenant < 3; tenant += 1) await fillTenant(3);
});
afterAll(async () => {
  await world.close();
  await rm(folder, { recursive: true });
});

async function fillTenant(credentials: number): Promise<void> {
  const { owner: member } = await world.createTenant();
  const accountId = await world.createAccount(member);
  for (let n = 0; n < credentials; n += 1) {
    const secret = `secret-${kept.length}`;
    const fields = secretFields({ api_key: `key-${kept.length}`, api_secret: secret });
    const of = { accountId, venue: "scripted", environment: "live", label: `desk ${n}` } as const;
    kept.push({ member, secret, id: (await register(custody, member, { ...of, fields })).id });
  }
}

const script = join(import.meta.dirname, "reseal-child.ts");

/** Runs commands in a process of its own, which dies at its statement `at`. Answers their exit codes, `null` where it died. */
async function run(commands: Task["commands"], at = 0): Promise<readonly number[] | null> {
  const task: Task = { commands, at, die: at % 2 === 0 ? "before" : "after" };
  const child = spawn(process.execPath, [script, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: process.env["PATH"],
      // Compiled once for all of them.
      NODE_COMPILE_CACHE: join(folder, "compiled"),
      DATABASE_URL: urlOf(world.database.connection("keyhold_app")),
      KEYHOLD_FOLDER: folder,
      KEYHOLD_KEY_FILE: world.keyFile,
      KEYHOLD_LOCAL_ISSUER: "on",
      KEYHOLD_STORES: "postgres,file",
    },
  });
  const [output, notes, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  if (signal === "SIGKILL") return null;
  expect({ code, signal, notes }).toMatchObject({ code: 0, signal: null });
  return z.array(z.number()).parse(JSON.parse(output));
}

/** Which secrets do not open now, and how they fail. */
async function lost(): Promise<string[]> {
  const read = ({ member, id }: (typeof kept)[number]) =>
    withSecret(custody, member, { id }, (fields) =>
      Promise.resolve(
        fields.get("api_secret")?.expose((bytes) => Buffer.from(bytes).toString()) ?? "no such field",
      ),
    ).catch(String);
  const now = await Promise.all(kept.map(read));
  return now.filter((found, index) => found !== kept[index]?.secret);
}

async function orphans(): Promise<readonly string[]> {
  const found = await findOrphans(world.database.owner, join(folder, "secrets"));
  return found.map(({ what }) => what);
}

/** As if all of this had been three minutes ago. */
async function reconcileOnce(): Promise<void> {
  const begun = new Date(Date.now() - 180_000);
  await world.database.owner.updateTable("intents").set({ created_at: begun }).execute();
  expect(await reconcile(custody)).toMatchObject({ failed: 0 });
}

/** Statements before the work begins, and how many after that a process may send before it dies. */
const beginning = 4;
const survived = 300;

/** Every key becomes another, then every secret moves to the other store. */
async function nextRound(from: string, to: string): Promise<Task["commands"]> {
  await addKey(world.keyFile);
  const since = (await databaseTime(custody.db)).toISOString();
  return [
    ["keys", "rotate", "--data-keys", "--made-before", since],
    ["store", "migrate", "--from", from, "--to", to],
  ];
}

/** What is half-done now: keys that are rotated, secrets that are moved, something that is left in a store. */
async function halfDone(): Promise<string[]> {
  const [retired, postgres, file, left] = await Promise.all([
    underRetiredKeys(custody.db, 1000),
    inStore(custody.db, "postgres", 1000),
    inStore(custody.db, "file", 1000),
    orphans(),
  ]);
  return [
    ...(retired.length > 0 && retired.length < kept.length ? ["keys"] : []),
    ...(postgres.length > 0 && file.length > 0 ? ["stores"] : []),
    ...(left.length > 0 ? ["orphans"] : []),
  ];
}

/**
 * Kills the operator's commands on their way again and again, until they have died so often; when they came to their end they
 * begin again in the other direction. Answers what was half-done at one of these moments.
 */
async function killOnTheWay(times: number): Promise<Set<string>> {
  let [from, to]: [StoreName, StoreName] = ["postgres", "file"];
  const seen = new Set<string>();
  let commands = await nextRound(from, to);
  for (let kills = 0; kills < times;) {
    const at = beginning + randomInt(survived);
    const codes = await run(commands, at);
    expect(await lost(), `killed at statement ${at}`).toEqual([]);
    for (const one of await halfDone()) seen.add(one);
    if (codes === null) kills += 1;
    else {
      expect(codes).toEqual([0, 0]);
      [from, to] = [to, from];
      commands = await nextRound(from, to);
    }
  }
  expect(await run(commands), "what is left is done at last").toEqual([0, 0]);
  expect(await inStore(custody.db, from, 1000), "all are where they were to be").toEqual([]);
  return seen;
}

describe("an operator's commands that are killed again and again, twenty times", () => {
  test(
    "rotate all keys and move all secrets at last, and every secret opens at every moment",
    { timeout: 300_000 },
    async () => {
      const seen = await killOnTheWay(20);
      expect([...seen].sort(), "the control: some died half-way").toEqual(["keys", "orphans", "stores"]);
      await reconcileOnce();
      expect(await orphans()).toEqual([]);
      const { owner } = world.database;
      const old = new Date(Date.now() - 3_600_000);
      await owner.updateTable("data_keys").set({ retired_at: old }).where("state", "=", "retired").execute();
      expect(await destroyUnusedDataKeys(custody)).toMatchObject({ failed: 0 });
      const keys = await owner
        .selectFrom("data_keys")
        .select(["state", "kek_id"])
        .where("use", "=", "seal")
        .execute();
      expect(keys.map(({ state }) => state)).toEqual(["active", "active", "active"]);
      expect(new Set(keys.map(({ kek_id }) => kek_id)).size, "all under the newest").toBe(1);
      expect(await lost()).toEqual([]);
    },
  );

  test(
    "the control: a migration that destroys before it activates loses secrets so",
    { timeout: 300_000 },
    async () => {
      expect(await run([["store", "migrate", "--from", "file", "--to", "postgres"]])).toEqual([0]);
      for (let at = beginning + 12; (await lost()).length === 0; at += 3)
        if ((await run([], at)) !== null) break;
      expect(await lost()).not.toEqual([]);
    },
  );
});
