import { lstat, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";

const lock = z.object({
  packages: z.record(z.string(), z.object({ link: z.boolean().optional(), dev: z.boolean().optional() })),
});

export type Installed = Readonly<{ packages: number; bytes: number }>;

/** What npm has installed, all of it and the part that the service needs to run, from npm's own list. */
export async function readInstalled(
  root: string,
): Promise<Readonly<{ all: Installed; production: Installed }>> {
  const text = await readFile(join(root, "node_modules/.package-lock.json"), "utf8");
  const packages = Object.entries(lock.parse(JSON.parse(text)).packages).filter(
    ([, { link }]) => link !== true,
  );
  const sizes = await Promise.all(
    packages.map(async ([path, { dev }]) => ({ dev: dev === true, bytes: await bytesIn(join(root, path)) })),
  );
  return { all: add(sizes), production: add(sizes.filter(({ dev }) => !dev)) };
}

function add(sizes: readonly Readonly<{ bytes: number }>[]): Installed {
  return { packages: sizes.length, bytes: sizes.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** The files of one package; packages below it are counted as their own. */
async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true });
  const sizes = entries.map(async (entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === "node_modules" ? 0 : bytesIn(path);
    return (await lstat(path)).size;
  });
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}
