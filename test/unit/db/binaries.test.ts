import { execFileSync } from "node:child_process";
import { chmod, cp, lstat, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { copyForOthers, findBinaries, linkLibraries } from "../../../src/db/embedded/binaries.ts";
import { passable } from "../../../src/db/embedded/place.ts";

let folder = "";
/** A copy of the package as npm unpacks it, without what its install script adds. */
let unpacked = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-binaries-"));
  unpacked = join(folder, "unpacked");
  const shipped = await findBinaries(null);
  await cp(dirname(dirname(dirname(shipped.postgres))), unpacked, {
    recursive: true,
    verbatimSymlinks: true,
  });
  await removeLinks(unpacked);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("Where npm ran no install scripts the links to the libraries are made, and the server runs", async () => {
  const postgres = join(unpacked, "native", "bin", "postgres");
  expect(() => version(postgres), "the control: without the links it does not run").toThrow("lib");
  await linkLibraries(unpacked);
  await linkLibraries(unpacked);
  expect(version(postgres)).toMatch(/^postgres \(PostgreSQL\) 18\./);
});

test("A copy for another user may be read and run by everybody, whatever the modes of its original", async () => {
  await chmod(join(unpacked, "native", "bin", "postgres"), 0o700);
  await chmod(join(unpacked, "native", "share"), 0o700);
  const copies = await mkdtemp(join(tmpdir(), "keyhold-copies-"));
  await chmod(copies, 0o755);
  try {
    const binaries = await copyForOthers(unpacked, copies);
    expect((await lstat(binaries.postgres)).mode & 0o777).toBe(0o755);
    expect((await lstat(join(dirname(binaries.postgres), "..", "share"))).mode & 0o777).toBe(0o755);
    const mayDropRights = process.getuid?.() === 0 && (await passable(copies));
    const other = mayDropRights ? { uid: 65_534, gid: 65_534 } : {};
    expect(version(binaries.postgres, other)).toMatch(/^postgres \(PostgreSQL\) 18\./);
    expect(await copyForOthers(unpacked, copies), "a second call finds the first one's copy").toEqual(
      binaries,
    );
  } finally {
    await rm(copies, { recursive: true });
  }
});

function version(postgres: string, user: { uid?: number; gid?: number } = {}): string {
  return execFileSync(postgres, ["--version"], { encoding: "utf8", stdio: "pipe", cwd: "/", ...user });
}

async function removeLinks(root: string): Promise<void> {
  const links: { target: string }[] = JSON.parse(
    await readFile(join(root, "native", "pg-symlinks.json"), "utf8"),
  );
  for (const { target } of links) await rm(join(root, target), { force: true });
}
