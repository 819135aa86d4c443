import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, renameSync } from "node:fs";
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exitCodes } from "../../src/cli/errors.ts";
import { run } from "../../src/cli/program.ts";
import { createKeyFile } from "../../src/key-encryption/key-file.ts";
import { collect, runCli } from "../../testkit/cli.ts";
import { createInstallation, type Installation, type Kept, reveal } from "../../testkit/installation.ts";
import { type Service, startService } from "../../testkit/service.ts";
import { makeState } from "../../testkit/state.ts";

let installation: Installation;
/** A process of the service that runs through all of these tests, and is never restarted. */
let service: Service;

beforeAll(async () => {
  installation = await createInstallation({ KEYHOLD_STORES: "postgres,file,env" });
  await installation.keep(8);
  service = await installation.startProcess();
});
afterAll(async () => {
  await service?.stop();
  await installation?.close();
});

const keyhold = (line: string, more?: Readonly<Record<string, string>>) =>
  installation.keyhold(line.split(" "), more);
const migrate = (from: string, to: string, more?: Readonly<Record<string, string>>) =>
  keyhold(`store migrate --from ${from} --to ${to}`, more);
const rowOf = ({ id }: Kept) =>
  installation.world.database.owner
    .selectFrom("credentials")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
const fileOf = ({ tenantId, id }: Kept, version: number) =>
  join(installation.folder, "secrets", tenantId, `${id}.${version}`);

describe("keys rotate while the service runs", () => {
  test("a key that is added is found without a restart, whether its process has opened the tenant's secrets or not", async () => {
    const fresh = await installation.startProcess();
    expect(await installation.unreadable(service)).toEqual([]);
    const added = await keyhold(`keys add ${installation.world.keyFile}`);
    expect(added).toMatchObject({ code: 0, output: expect.stringContaining("in front") });
    const early = await keyhold(`keys remove-old ${installation.world.keyFile}`);
    expect(early.code, "what is needed is not removed").toBe(exitCodes.refused);
    expect(early.notes).toBe(
      "keyhold: the database still needs an older key of this file\nhint: run `keyhold keys rotate` first\n",
    );
    const rotated = await keyhold("keys rotate");
    expect(rotated.code).toBe(0);
    expect(rotated.output).toMatch(/^All data keys are wrapped by [0-9a-f]{32}\.$/m);
    expect(await installation.unreadable(fresh), "the first it opens").toEqual([]);
    expect(await installation.unreadable(service)).toEqual([]);
    await fresh.stop();
  });

  test("the older one is removed when nothing needs it, and what is new opens after the next start", async () => {
    const unasked = await keyhold(`keys remove-old ${installation.world.keyFile}`);
    expect(unasked).toMatchObject({ code: 2, notes: expect.stringContaining("add --yes if that is meant") });
    const removed = await keyhold(`keys remove-old ${installation.world.keyFile} --yes`);
    expect(removed).toMatchObject({ code: 0, output: expect.stringContaining("holds its newest key alone") });
    await installation.keep(2);
    expect(await installation.unreadable(service)).toEqual([]);
    const next = await installation.startProcess();
    expect(await installation.unreadable(next)).toEqual([]);
    await next.stop();
    const { code, output } = await keyhold("keys status --json");
    expect({ code, ...JSON.parse(output) }).toMatchObject({
      code: 0,
      count: 1,
      // Of each tenant one that seals and one that signs.
      items: [{ state: "active", count: 4 }],
    });
  });

  test("with --data-keys every secret gets a new version under a successor, and is opened by the running service", async () => {
    const before = await Promise.all(installation.kept.map(async (one) => (await rowOf(one)).version));
    const { code, output, notes } = await keyhold("keys rotate --data-keys");
    expect({ code, output }).toEqual({
      code: 0,
      output: "2 data keys were rotated; 10 credentials were resealed.\n",
    });
    const [, since = ""] = /--made-before (\S+)/.exec(notes) ?? [];
    expect(notes).toContain("Resealing credentials: 10 done");
    const after = await Promise.all(installation.kept.map(async (one) => (await rowOf(one)).version));
    expect(after).toEqual(before.map((version) => version + 1));
    expect(await installation.unreadable(service)).toEqual([]);
    const again = await keyhold(`keys rotate --data-keys --made-before ${since}`);
    expect(again.output, "one that was cut off would find nothing left").toContain(
      "0 data keys were rotated; 0",
    );
    expect(await keyhold("keys rotate --made-before yesterday")).toMatchObject({ code: exitCodes.usage });
  });

  test("another key file is refused at the start of a service and of a command, by one sentence", async () => {
    const other = join(installation.folder, "other");
    await createKeyFile(other);
    const sentence =
      /sealed with the key-encryption key [0-9a-f]{32}, which is not among those configured \(file\)\. Restore/;
    const start = installation.startProcess({ KEYHOLD_KEY_FILE: other });
    await expect(start).rejects.toThrow(sentence);
    await expect(start).rejects.not.toThrow(/ at .*\.ts/);
    const command = await keyhold("keys status", { KEYHOLD_KEY_FILE: other });
    expect(command.code).toBe(exitCodes.usage);
    expect(command.notes).toMatch(sentence);
    const missing = installation.startProcess({ KEYHOLD_KEY_FILE: join(installation.folder, "missing") });
    await expect(missing).rejects.toThrow(
      /The key file .* is missing, and the database was sealed with its key/,
    );
  });
});

describe("secrets move while the service runs", () => {
  const everywhere = async (): Promise<Set<string>> =>
    new Set((await Promise.all(installation.kept.map(rowOf))).map(({ store }) => store));

  test("from store to store and back, every one readable at every step", async () => {
    for (const [from, to] of [
      ["postgres", "file"],
      ["file", "postgres"],
      ["postgres", "file"],
    ] as const) {
      const { code, output, notes } = await migrate(from, to);
      expect({ code, output }).toEqual({ code: 0, output: `10 credentials moved from ${from} to ${to}.\n` });
      expect(notes).toContain("10 done");
      expect(await everywhere()).toEqual(new Set([to]));
      expect(await installation.unreadable(service)).toEqual([]);
    }
    const files = await readdir(join(installation.folder, "secrets"), { recursive: true });
    expect(files.filter((path) => path.includes("/"))).toHaveLength(10);
    const { rows } = await installation.world.database.ownerPool.query("select from sealed_secrets");
    expect(rows).toEqual([]);
    expect(await migrate("postgres", "file"), "nothing is left").toMatchObject({
      code: 0,
      output: "0 credentials moved from postgres to file.\n",
    });
  });

  test.each([
    ["file", "file", /must name different stores/],
    ["file", "vault", /the store vault is not configured\nhint: add it to KEYHOLD_STORES/],
    ["files", "postgres", /Give one of postgres, vault, aws, file, env/],
  ])("from %s to %s is refused before anything is done", async (from, to, why) => {
    const { code, notes } = await migrate(from, to);
    expect(code).toBe(exitCodes.usage);
    expect(notes).toMatch(why);
    expect(await everywhere()).toEqual(new Set(["file"]));
  });

  test("one that its store has lost is named, the others are moved, and a copy of the sealed bytes brings it back", async () => {
    const [lost] = installation.kept;
    if (lost === undefined) throw new Error("there are ten");
    const { version } = await rowOf(lost);
    expect(await keyhold("store check"), "the control").toMatchObject({
      code: 0,
      output: "Every store holds what it should.\n",
    });
    const printed = await keyhold(`store variable ${lost.id}`);
    expect(printed.code).toBe(0);
    await rm(fileOf(lost, version));
    const checked = await keyhold("store check --json");
    expect(checked.code).toBe(exitCodes.refused);
    expect(JSON.parse(checked.output).items).toEqual([
      { store: "file", tenant: lost.tenantId, credential: lost.id, version, found: "absent" },
    ]);
    expect(await reveal(service, lost)).toMatchObject({ status: 503, json: { code: "secret_lost" } });

    const moved = await migrate("file", "postgres");
    expect(moved.code).toBe(exitCodes.refused);
    expect(moved.notes).toContain(`${lost.id}: The secret store does not hold this secret any more.`);
    expect(moved.notes).toContain("keyhold: 1 could not be dealt with");
    expect(await installation.unreadable(service)).toHaveLength(1);

    const [, name = "", value = ""] = /^(KEYHOLD_SEALED_\w+)=(\S+)\n$/.exec(printed.output) ?? [];
    expect(await migrate("file,env", "postgres", { [name]: value })).toMatchObject({ code: 0 });
    expect(await installation.unreadable(service)).toEqual([]);
    expect(await keyhold("store check")).toMatchObject({ code: 0 });
  });

  test("a store that dies on the way stops it after ten failures, and the rest is moved when it is back", async () => {
    await installation.keep(30);
    expect(await migrate("postgres", "file")).toMatchObject({ code: 0 });
    const [secrets, away] = ["secrets", "away"].map((name) => join(installation.folder, name));
    if (secrets === undefined || away === undefined) throw new Error("there are two");
    let told = "";
    const notes = new Writable({
      write(chunk: Buffer, _, done) {
        told += chunk.toString();
        if (/: \d+ of \d+\n/.test(told) && existsSync(secrets)) renameSync(secrets, away);
        done();
      },
    });
    const argv = ["store", "migrate", "--from", "file", "--to", "postgres"];
    const code = await run(
      argv,
      { input: process.stdin, output: collect().stream, notes },
      installation.settings,
    );
    expect(code).toBe(exitCodes.unavailable);
    const [, left = ""] = /keyhold: (\d+) could not be dealt with/.exec(told) ?? [];
    // Ten in a row, and four at a time in hand.
    const named = told.match(/: The secret store cannot be reached now. Try again later. \(unreachable\)\n/g);
    expect(named?.length).toBeGreaterThanOrEqual(10);
    expect(Number(left), "what was not tried is not named").toBeGreaterThan(named?.length ?? 0);
    const unreadable = await installation.unreadable(service);
    expect(unreadable).toHaveLength(Number(left));
    expect(unreadable.join()).toContain("store_unavailable");

    await rename(away, secrets);
    expect(await installation.unreadable(service)).toEqual([]);
    expect(await migrate("file", "postgres")).toMatchObject({
      code: 0,
      output: `${left} credentials moved from file to postgres.\n`,
    });
    expect(await installation.unreadable(service)).toEqual([]);
  });

  test("Ctrl-C ends it after those in hand with 130, and the same command goes on", async () => {
    let [from, to] = ["file", "postgres"];
    let ended: Readonly<{ code: number; output: string }>;
    // On a machine that is fast beyond measure it may be done before the signal arrives: then it goes back.
    do {
      [from, to] = [to, from];
      ended = await interruptedAfterFirst(["store", "migrate", "--from", from, "--to", to]);
    } while (ended.code === 0);
    expect(ended).toMatchObject({ code: exitCodes.interrupted });
    expect(ended.output).toContain("keyhold: stopped; the same command goes on from here");
    expect(await installation.unreadable(service)).toEqual([]);
    expect(await migrate(from, to)).toMatchObject({ code: 0 });
    expect(await everywhere()).toEqual(new Set([to]));
  });

  /** Runs the command by its launcher, as a shell does, and interrupts it when it tells how far it is. */
  async function interruptedAfterFirst(argv: readonly string[]) {
    const launcher = join(import.meta.dirname, "../../bin/keyhold.js");
    const child = spawn(process.execPath, [launcher, ...argv], {
      env: { PATH: process.env["PATH"], ...installation.settings },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        if (!output.includes(" of ") && text.includes(" of ")) child.kill("SIGINT");
        output += text;
      });
    }
    const [code] = await once(child, "close");
    return { code: Number(code), output };
  }
});

describe("a command beside a service with a database of its own", () => {
  test("works on what the service works on, and afterwards without it", async () => {
    await using state = await makeState();
    const environment = {
      KEYHOLD_FOLDER: state.folder,
      KEYHOLD_PORT: "0",
      KEYHOLD_METRICS_PORT: "0",
      KEYHOLD_STORES: "postgres,file",
    };
    const embedded = await startService(environment);
    const keyFile = join(state.folder, "key-encryption.key");
    expect(await runCli(["keys", "add", keyFile], { environment })).toMatchObject({ code: 0 });
    expect(await runCli(["keys", "remove-old", keyFile], { environment })).toMatchObject({
      code: exitCodes.refused,
    });
    expect(await runCli(["keys", "rotate"], { environment })).toMatchObject({ code: 0 });
    expect((await fetch(`${embedded.url}/health/ready`)).status, "the service goes on").toBe(200);
    await embedded.stop();
    expect(await runCli(["keys", "remove-old", keyFile, "--yes"], { environment })).toMatchObject({
      code: 0,
    });
    expect(await runCli(["store", "check"], { environment })).toMatchObject({
      code: 0,
      output: "Every store holds what it should.\n",
    });
    const again = await startService(environment);
    await again.stop();
  });
});
