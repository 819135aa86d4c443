import { spawnSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { KeyholdError, StartError } from "../../../src/errors.ts";
import { loadKeyFile } from "../../../src/key-encryption/file.ts";
import { createKeyFile, readKeyFile } from "../../../src/key-encryption/key-file.ts";

const context = { tenantId: randomUUID(), dataKeyId: randomUUID() };
let folder: string;
let path: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-key-file-"));
  path = join(folder, "key");
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function writeKeys(content: Uint8Array | string, mode = 0o600): Promise<void> {
  await writeFile(path, content);
  await chmod(path, mode);
}

/** The sentence with which loading refuses. */
async function refusalOf(loading: Promise<unknown>): Promise<string> {
  const failure: unknown = await loading.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(failure instanceof StartError)) throw new Error("the key file was not refused with a StartError");
  return failure.message;
}

test("a created key file has 32 random bytes that only its owner can read, and loads", async () => {
  await createKeyFile(path);
  const { mode, size } = await stat(path);
  expect([mode & 0o7777, size]).toEqual([0o600, 32]);
  const provider = await loadKeyFile(path);
  expect(provider.kind).toBe("file");
  expect((await readKeyFile(path)).newest.id).toBe(provider.kekId);
  await createKeyFile(`${path}-2`);
  expect(await readFile(`${path}-2`)).not.toEqual(await readFile(path));
});

test("the mode of a created file does not depend on the umask of the process", async () => {
  const before = process.umask(0);
  try {
    await createKeyFile(path);
  } finally {
    process.umask(before);
  }
  expect((await stat(path)).mode & 0o7777).toBe(0o600);
});

test("an existing key file is never overwritten", async () => {
  await createKeyFile(path);
  const first = await readFile(path);
  expect(await refusalOf(createKeyFile(path))).toContain("exists already");
  expect(await readFile(path)).toEqual(first);
});

test("a key file in a folder that does not exist is not created", async () => {
  expect(await refusalOf(createKeyFile(join(folder, "none", "key")))).toContain("its folder does not exist");
});

test("unwrapping inverts wrapping, also after the file was loaded anew", async () => {
  await createKeyFile(path);
  const dataKey = randomBytes(32);
  const before = Buffer.from(dataKey);
  const provider = await loadKeyFile(path);
  const wrapped = await provider.wrap(dataKey, context);
  expect(dataKey).toEqual(before);
  expect(wrapped.kekId).toBe(provider.kekId);
  expect(await (await loadKeyFile(path)).unwrap(wrapped, context)).toEqual(dataKey);
});

test("with a new key in front, the new key wraps and the old one still unwraps", async () => {
  const [older, newer] = [randomBytes(32), randomBytes(32)];
  await writeKeys(older);
  const before = await loadKeyFile(path);
  const wrapped = await before.wrap(randomBytes(32), context);

  await writeKeys(Buffer.concat([newer, older]));
  const after = await loadKeyFile(path);
  expect(await after.knows(before.kekId)).toBe(true);
  expect(after.kekId).not.toBe(before.kekId);
  const rewrapped = await after.wrap(await after.unwrap(wrapped, context), context);
  expect(rewrapped.kekId).toBe(after.kekId);

  await writeKeys(newer);
  const last = await loadKeyFile(path);
  expect(await last.unwrap(rewrapped, context)).toHaveLength(32);
  await expect(last.unwrap(wrapped, context)).rejects.toMatchObject({
    code: "key_unavailable",
    detail: expect.stringContaining(before.kekId),
  });
});

test("a wrapped key moved to another tenant or data key is not available", async () => {
  await createKeyFile(path);
  const provider = await loadKeyFile(path);
  const wrapped = await provider.wrap(randomBytes(32), context);
  for (const moved of [{ tenantId: randomUUID() }, { dataKeyId: randomUUID() }]) {
    const unwrapping = provider.unwrap(wrapped, { ...context, ...moved });
    await expect(unwrapping).rejects.toBeInstanceOf(KeyholdError);
    await expect(unwrapping).rejects.toMatchObject({ code: "key_unavailable" });
  }
});

test("a missing key file is refused, and the sentence warns of making a new key", async () => {
  expect(await refusalOf(loadKeyFile(path))).toMatch(/does not exist.*backup.*a new key cannot open/);
});

test("a mode wider than 0600 is refused, and the sentence has the command that narrows it", async () => {
  for (const mode of [0o640, 0o604, 0o644, 0o660, 0o666, 0o700, 0o777]) {
    await writeKeys(randomBytes(32), mode);
    expect(await refusalOf(loadKeyFile(path))).toBe(
      `The key file ${path} has mode 0${mode.toString(8)}, which is wider than 0600. Run: chmod 600 ${path}`,
    );
  }
  for (const mode of [0o600, 0o400]) {
    await writeKeys(randomBytes(32), mode);
    expect((await readKeyFile(path)).older).toEqual([]);
  }
});

test.skipIf(process.getuid?.() !== 0)(
  "a Secret of Kubernetes is read as it is mounted: a link to a link, for a group",
  async () => {
    const script = `import { readKeyFile } from ${JSON.stringify(join(import.meta.dirname, "../../../src/key-encryption/key-file.ts"))};
    process.setgroups([3000]); const { newest } = await readKeyFile(process.argv[1]); console.log(newest.id);`;
    await mkdir(join(folder, "..2026"));
    await writeKeys(randomBytes(32), 0o440);
    await rename(path, join(folder, "..2026", "kek"));
    await chown(join(folder, "..2026", "kek"), 0, 3000);
    await symlink("..2026", join(folder, "..data"));
    await symlink("..data/kek", path);
    const read = spawnSync(process.execPath, ["--input-type=module", "-e", script, path], {
      encoding: "utf8",
    });
    expect(read.stdout, read.stderr).toMatch(/^[0-9a-f]{32}$/m);
    const other = spawnSync(
      process.execPath,
      ["--input-type=module", "-e", script.replace("3000", "3001"), path],
      { encoding: "utf8" },
    );
    expect(other.stderr, "the control: another group").toContain("has mode 0440");
  },
);

test("a link to a key file is followed, and the file's own mode counts", async () => {
  await writeKeys(randomBytes(32));
  const link = join(folder, "link");
  await symlink(path, link);
  expect((await readKeyFile(link)).older).toEqual([]);
  await chmod(path, 0o644);
  expect(await refusalOf(loadKeyFile(link))).toContain("0644");
});

test.skipIf(process.getuid?.() !== 0)("a key file of another user is refused, by a link too", async () => {
  await writeKeys(randomBytes(32));
  const link = join(folder, "link");
  await symlink(path, link);
  for (const uid of [1, 1234, 65_534]) {
    await chown(path, uid, uid);
    for (const name of [path, link])
      expect(await refusalOf(loadKeyFile(name))).toContain(`belongs to user ${uid}, who could change it`);
  }
  await chown(path, 0, 0);
  expect((await readKeyFile(path)).older, "the control").toEqual([]);
});

test("a folder in place of the key file is refused", async () => {
  await mkdir(path, { mode: 0o700 });
  expect(await refusalOf(loadKeyFile(path))).toContain("not a regular file");
});

test("a length that is no whole number of keys, from none to 32, is refused", async () => {
  for (const length of [0, 1, 31, 33, 48, 33 * 32, 5_000]) {
    await writeKeys(randomBytes(length));
    expect(await refusalOf(loadKeyFile(path))).toContain("It must hold 1 to 32 raw keys of 32 bytes each");
  }
  await writeKeys(randomBytes(32 * 32));
  expect((await readKeyFile(path)).older).toHaveLength(31);
});

test("a key written as text is refused, and the sentence says to decode it", async () => {
  const key = randomBytes(32);
  for (const text of [
    key.toString("hex"),
    key.toString("base64").slice(0, 32),
    `${"passphrase ".repeat(3).slice(0, 31)}\n`,
  ]) {
    await writeKeys(text);
    expect(await refusalOf(loadKeyFile(path))).toContain("decode the hex or base64 first");
  }
});

test("a key of zeros, of one byte repeated or of a short pattern is refused by its place in the file", async () => {
  for (const weak of [Buffer.alloc(32), Buffer.alloc(32, 0xa5), Buffer.alloc(32, "\x01\x02\x03\x04\x05")]) {
    await writeKeys(Buffer.concat([randomBytes(32), weak]));
    expect(await refusalOf(loadKeyFile(path))).toContain("not random (number 2 of 2)");
  }
});

test("the same key twice is refused", async () => {
  const key = randomBytes(32);
  await writeKeys(Buffer.concat([key, randomBytes(32), key]));
  expect(await refusalOf(loadKeyFile(path))).toContain("the same key twice");
});

test("no refusal shows bytes of a key", async () => {
  const key = randomBytes(32);
  await writeKeys(Buffer.concat([key, key]));
  const sentence = await refusalOf(loadKeyFile(path));
  for (const encoding of ["hex", "base64", "latin1"] as const) {
    const shows = (text: string) => text.includes(key.toString(encoding).slice(0, 8));
    expect(shows(sentence)).toBe(false);
    expect(shows(`${sentence} ${key.toString(encoding)}`)).toBe(true);
  }
});
