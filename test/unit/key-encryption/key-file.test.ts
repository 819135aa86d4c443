import { randomBytes } from "node:crypto";
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { StartError } from "../../../src/errors.ts";
import { addKey, createKeyFile, readKeyFile, removeOldKeys } from "../../../src/key-encryption/key-file.ts";

let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-key-file-"));
  path = join(folder, "key");
  await createKeyFile(path);
});
afterEach(() => rm(folder, { recursive: true }));

const ids = async (): Promise<string[]> => {
  const { newest, older } = await readKeyFile(path);
  return [newest, ...older].map(({ id }) => id);
};

describe("adding a key to a key file", () => {
  test("puts a new one in front of those that were there", async () => {
    const before = await ids();
    await addKey(path);
    await addKey(path);
    const after = await ids();
    expect(after).toHaveLength(3);
    expect(after.at(-1)).toBe(before[0]);
    expect(new Set(after).size).toBe(3);
  });

  test("leaves one file, which only its owner can read", async () => {
    await addKey(path);
    expect(await readdir(folder)).toEqual(["key"]);
    expect((await stat(path)).mode & 0o7777).toBe(0o600);
  });

  test("goes on where a run was cut off before it had replaced the file", async () => {
    const before = await ids();
    await writeFile(`${path}.new`, randomBytes(17), { mode: 0o600 });
    await addKey(path);
    expect((await ids()).slice(1)).toEqual(before);
    expect(await readdir(folder)).toEqual(["key"]);
  });

  test("changes the file that a link leads to, and leaves the link", async () => {
    const link = join(folder, "link");
    await symlink(path, link);
    await addKey(link);
    expect(await ids()).toHaveLength(2);
    expect((await readKeyFile(link)).older).toHaveLength(1);
  });

  test("stops at 32 keys, and nothing has changed", async () => {
    await writeFile(path, randomBytes(31 * 32));
    await addKey(path);
    const full = await readFile(path);
    await expect(addKey(path)).rejects.toThrow("is full");
    expect(await readFile(path)).toEqual(full);
  });

  test.each([
    ["too open", async () => chmod(path, 0o644)],
    ["no key file", async () => writeFile(path, "not a key")],
    ["not there", async () => rm(path)],
  ])("is refused for a file that is %s", async (_, spoil) => {
    await spoil();
    const before = await readFile(path).catch(() => null);
    await expect(addKey(path)).rejects.toThrow(StartError);
    expect(await readFile(path).catch(() => null)).toEqual(before);
  });
});

describe("removing old keys from a key file", () => {
  test("leaves the newest alone", async () => {
    await addKey(path);
    await addKey(path);
    const [newest] = await ids();
    await removeOldKeys(path);
    expect(await ids()).toEqual([newest]);
    await removeOldKeys(path);
    expect(await ids(), "again").toEqual([newest]);
    expect(await readdir(folder)).toEqual(["key"]);
    expect((await stat(path)).mode & 0o7777).toBe(0o600);
  });

  test("is refused for what is no key file", async () => {
    await writeFile(path, randomBytes(33));
    await expect(removeOldKeys(path)).rejects.toThrow(StartError);
    expect(await readFile(path)).toHaveLength(33);
  });
});
