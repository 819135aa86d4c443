import { randomUUID } from "node:crypto";
import { chmod, mkdtemp, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { StartError } from "../../../src/errors.ts";
import { openFileStore } from "../../../src/stores/file.ts";
import type { SecretRef } from "../../../src/stores/store.ts";
import { sealedFields } from "../../contracts/store-contract.ts";

let parent: string;
let root: string;

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "keyhold-file-store-"));
  root = join(parent, "sealed");
});

afterEach(() => rm(parent, { recursive: true, force: true }));

function newRef(version = 1): SecretRef {
  return {
    tenantId: randomUUID(),
    credentialId: randomUUID(),
    venue: "binance",
    environment: "live",
    version,
  };
}

async function modeOf(path: string): Promise<number> {
  return (await stat(path)).mode & 0o7777;
}

test("only the owner can enter its folders and read its files, whatever the umask", async () => {
  const before = process.umask(0);
  try {
    const store = await openFileStore(root);
    const ref = newRef();
    await store.put(ref, sealedFields(ref));
    const tenant = join(root, ref.tenantId);
    const [name = ""] = await readdir(tenant);
    expect([await modeOf(root), await modeOf(tenant), await modeOf(join(tenant, name))]).toEqual([
      0o700, 0o700, 0o600,
    ]);
  } finally {
    process.umask(before);
  }
});

test("a folder that others can enter stops the start, and says what to do", async () => {
  await openFileStore(root);
  await chmod(root, 0o750);
  await expect(openFileStore(root)).rejects.toThrow(
    new StartError(`Others can enter ${root}. Run: chmod 700 ${root}`),
  );
});

test("a folder that cannot be made stops the start", async () => {
  await writeFile(root, "a file in its place");
  await expect(openFileStore(join(root, "below"))).rejects.toThrow(StartError);
});

test("a version is one file, and nothing of the writing remains beside it", async () => {
  const store = await openFileStore(root);
  const ref = newRef();
  await Promise.all(Array.from({ length: 10 }, () => store.put(ref, sealedFields(ref))));
  expect(await readdir(join(root, ref.tenantId))).toEqual([`${ref.credentialId}.1`]);
});

test("a version is read by another process, or after a restart", async () => {
  const ref = newRef();
  await (await openFileStore(root)).put(ref, sealedFields(ref));
  expect((await (await openFileStore(root)).get(ref)).outcome).toBe("found");
});

test("what a crash left of a version is never taken for it, and is destroyed with it", async () => {
  const store = await openFileStore(root);
  const first = newRef(1);
  const tenth = { ...first, version: 10 };
  await store.put(tenth, sealedFields(tenth));
  const tenant = join(root, first.tenantId);
  await writeFile(join(tenant, `.${first.credentialId}.1.${randomUUID()}`), "half of i");
  expect(await store.get(first)).toEqual({ outcome: "absent" });
  expect(await readdir(tenant)).toHaveLength(2);
  await store.destroy(first);
  expect(await readdir(tenant)).toEqual([`${first.credentialId}.10`]);
});

test("a file that was cut off is refused", async () => {
  const store = await openFileStore(root);
  const ref = newRef();
  await store.put(ref, sealedFields(ref));
  await truncate(join(root, ref.tenantId, `${ref.credentialId}.1`), 100);
  expect(await store.get(ref)).toEqual({ outcome: "denied", reason: "foreign" });
});

test("a root that disappeared is not made anew, as when a disk is not mounted", async () => {
  const store = await openFileStore(root);
  const ref = newRef();
  await rm(root, { recursive: true });
  const away = { outcome: "unavailable", reason: "unreachable" };
  expect(await store.put(ref, sealedFields(ref))).toEqual(away);
  expect(await store.get(ref)).toEqual(away);
  expect(await store.health()).toEqual(away);
  expect(await readdir(parent)).toEqual([]);
});

test("a folder that the process may not enter is a refusal, not an outage", async () => {
  const store = await openFileStore(root);
  const ref = newRef();
  await store.put(ref, sealedFields(ref));
  await chmod(root, 0);
  const superuser = process.geteuid?.() === 0;
  // No mode keeps the superuser out.
  if (superuser) process.seteuid?.(65_534);
  try {
    const refusal = { outcome: "denied", reason: "policy" };
    expect(await store.get(ref)).toEqual(refusal);
    expect(await store.put(ref, sealedFields(ref))).toEqual(refusal);
    expect(await store.destroy(ref)).toEqual(refusal);
    expect(await store.health()).toEqual(refusal);
  } finally {
    if (superuser) process.seteuid?.(0);
    await chmod(root, 0o700);
  }
  expect((await store.get(ref)).outcome).toBe("found");
});
