import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "kysely";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../../src/config/config.ts";
import { noteName } from "../../../src/db/embedded.ts";
import { startedByRoot } from "../../../src/db/embedded/place.ts";
import { startDatabase, type StartOptions } from "../../../src/db/start.ts";
import { makeState } from "../../../testkit/state.ts";

type Settings = Readonly<Record<string, string>>;

const start = (folder: string, more: Settings = {}, options: StartOptions = {}) =>
  startDatabase(readConfig({ KEYHOLD_FOLDER: folder, ...more }), options);

/** Starts, keeps a row of its own, and stops; answers where the data lies. */
async function live(folder: string): Promise<string> {
  const database = await start(folder);
  await sql`insert into installation (kek_id) values ('00112233445566778899aabbccddeeff')`.execute(
    database.db,
  );
  await database.stop();
  return database.embeddedIn ?? "";
}

async function keys(folder: string, more: Settings = {}, options: StartOptions = {}): Promise<unknown> {
  const database = await start(folder, more, options);
  const { rows } = await sql`select count(*)::int as n from installation`.execute(database.db);
  await database.stop();
  return rows;
}

const kept = [{ n: 1 }];
const empty = [{ n: 0 }];

describe("An empty database is not begun silently", () => {
  test("beside a key file whose database was removed, until it is asked for", async () => {
    await using state = await makeState();
    const data = await live(state.folder);
    await writeFile(join(state.folder, "key-encryption.key"), "", { mode: 0o600 });
    await rm(data, { recursive: true });
    await expect(start(state.folder)).rejects.toThrow(
      `There is no database in ${data}, and the key file ${join(state.folder, "key-encryption.key")} belongs to one`,
    );
    expect(await keys(state.folder, {}, { begin: true })).toEqual(empty);
    expect(await keys(state.folder), "once it has begun it needs not be asked for").toEqual(empty);
  });

  test("beside a key file that another volume holds, in a folder whose volume is not mounted", async () => {
    await using state = await makeState();
    const keyFile = join(state.folder, "mounted-key");
    const folder = join(state.folder, "state");
    await writeFile(keyFile, "", { mode: 0o600 });
    const settings = { KEYHOLD_KEY_FILE: keyFile };
    await expect(start(folder, settings)).rejects.toThrow(/mounted-key belongs to one.*--new/);
    await expect(
      start(folder, {
        ...settings,
        KEYHOLD_KEYS: "file,transit",
        KEYHOLD_VAULT_ADDRESSES: "http://127.0.0.1:1",
        KEYHOLD_VAULT_ROLE_ID: "r",
        KEYHOLD_VAULT_SECRET_ID_FILE: "s",
      }),
    ).rejects.toThrow("--new");
  });

  test("where the keys are elsewhere and a note alone shows that there was a database", async () => {
    await using state = await makeState();
    const data = await live(state.folder);
    await rm(data, { recursive: true });
    await expect(start(state.folder)).rejects.toThrow(
      `the note ${noteName} belongs to one that was in ${data}. Restore`,
    );
  });

  test("when the data folder has another name", async () => {
    await using state = await makeState();
    const data = await live(state.folder);
    await rename(data, `${data}-2026`);
    await expect(start(state.folder)).rejects.toThrow("There is no database in");
    await rename(`${data}-2026`, data);
    expect(await keys(state.folder)).toEqual(kept);
  });
});

test("A state folder says where its database is", async () => {
  await using state = await makeState();
  const data = await live(state.folder);
  expect(await readFile(join(state.folder, noteName), "utf8")).toContain(`is in ${data}\n`);
});

test("A new folder begins with an empty database without a question", async () => {
  await using state = await makeState();
  expect(await keys(join(state.folder, "new", "deep"))).toEqual(empty);
});

describe.runIf(startedByRoot())("A folder of root's that was renamed", () => {
  test("is refused with the way back, and with one command goes on", async () => {
    await using state = await makeState();
    const [before, now] = [join(state.folder, "before"), join(state.folder, "now")];
    const data = await live(before);
    await rename(before, now);
    const refusal: unknown = await start(now).catch((error: unknown) => error);
    const [, from = "", to = ""] = /or run: mv (\S+) (\S+)$/.exec(String(refusal)) ?? [];
    expect(from).toBe(data);
    await rename(from, to);
    expect(await keys(now)).toEqual(kept);
    await rm(to, { recursive: true });
  });
});
