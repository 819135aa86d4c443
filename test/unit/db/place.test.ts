import { chmod, mkdir, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { makeSocketFolder, passable } from "../../../src/db/embedded/place.ts";

/** Linux: 108 bytes in sockaddr_un, one of them the closing zero. */
const longest = 107;

afterEach(() => {
  vi.unstubAllEnvs();
});

test("A socket's path stays short enough below a temporary directory with a very long name", async () => {
  const long = await mkdtemp(join(tmpdir(), "l".repeat(120)));
  vi.stubEnv("TMPDIR", long);
  expect(Buffer.byteLength(join(tmpdir(), "kh-XXXXXX", ".s.PGSQL.5432")), "the control").toBeGreaterThan(
    longest,
  );
  const folder = await makeSocketFolder(null);
  expect(Buffer.byteLength(join(folder, ".s.PGSQL.5432"))).toBeLessThanOrEqual(longest);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  await rm(folder, { recursive: true });
  await rm(long, { recursive: true });
});

test("A socket's folder is made where the temporary directory is, when that is short", async () => {
  const short = await mkdtemp(join(tmpdir(), "s-"));
  vi.stubEnv("TMPDIR", short);
  const folder = await makeSocketFolder(null);
  expect(folder.startsWith(`${short}/kh-`)).toBe(true);
  await rm(short, { recursive: true });
});

test("A folder below a closed one is not passable for other users", async () => {
  const outer = await mkdtemp(join(tmpdir(), "p-"));
  const inner = join(outer, "inner");
  await mkdir(inner, { mode: 0o755 });
  expect(await passable(inner)).toBe(false);
  await chmod(outer, 0o711);
  expect(await passable(inner), "the control").toBe(await passable(tmpdir()));
  await rm(outer, { recursive: true });
});
