import { spawnSync } from "node:child_process";
import { globSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findInCache } from "../cache.ts";
import { run } from "../command.ts";
import type { Tool } from "../tool.ts";

const folder = "pgbouncer";

/** PgBouncer, from the machine or unpacked from Debian's package, so that no service of that name is set up. */
export const pgbouncer: Tool = {
  name: "PgBouncer",
  folder,
  find: () =>
    findInCache(join(folder, "pgbouncer")) ?? ["pgbouncer", "/usr/sbin/pgbouncer"].find(succeeds) ?? null,
  works: succeeds,
  announcement: "Unpacking PgBouncer for tests, once.",
  make(scratch) {
    const installed = join(scratch, folder);
    const packages = join(scratch, "packages");
    for (const path of [installed, packages]) mkdirSync(path);
    if (dependencies().length === 0) run("apt-get", ["update", "-qq"]);
    run("apt-get", ["download", "-q", "pgbouncer", ...dependencies()], { cwd: packages });
    for (const path of globSync(join(packages, "*.deb"))) run("dpkg-deb", ["-x", path, installed]);
    writeFileSync(join(installed, "pgbouncer"), startScript, { mode: 0o755 });
    return installed;
  },
};

/** Finds its libraries wherever the folder is. */
const startScript = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
for folder in "$here"/usr/lib/*; do LD_LIBRARY_PATH=$folder\${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}; done
export LD_LIBRARY_PATH
exec "$here/usr/sbin/pgbouncer" "$@"
`;

/** Packages of the libraries that a machine need not have; those of Debian's base system are there. */
function dependencies(): readonly string[] {
  const { stdout } = spawnSync("apt-cache", ["depends", "pgbouncer"], { encoding: "utf8" });
  return [...(stdout ?? "").matchAll(/Depends: (libc-ares\S+|libevent\S+)/g)].map(([, name = ""]) => name);
}

function succeeds(program: string): boolean {
  return spawnSync(program, ["--version"]).status === 0;
}
