import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { findInCache } from "../cache.ts";
import { run } from "../command.ts";
import { openbao } from "../openbao/install.ts";
import type { Tool } from "../tool.ts";
import { findGo } from "./go.ts";

/** The version that go.mod requires. */
const version = "1.21.2";
const folder = `vault-${version}`;

/** HashiCorp Vault, from its Go module; or what `KEYHOLD_TEST_VAULT` names: a path, a name on the PATH, or `bao` for the OpenBao of `tools/openbao`. */
export const vault: Tool = {
  name: `HashiCorp Vault ${version}`,
  folder,
  find() {
    const named = process.env["KEYHOLD_TEST_VAULT"] ?? "";
    if (named === "") return findInCache(join(folder, "vault"));
    const program = versionOf(named) === null && named === "bao" ? openbao.find() : named;
    if (program === null || versionOf(program) === null)
      throw new Error(`KEYHOLD_TEST_VAULT names ${named}, which does not run.`);
    return program;
  },
  works: (program) => Boolean(process.env["KEYHOLD_TEST_VAULT"]) || versionOf(program) === version,
  announcement: `Building HashiCorp Vault ${version} for tests, once: about six minutes on two cores.`,
  make(scratch) {
    const built = join(scratch, folder);
    mkdirSync(built);
    compile(join(built, "vault"), scratch);
    if (versionOf(join(built, "vault")) !== version) throw new Error(`go.mod does not ask for ${version}.`);
    return built;
  },
};

function versionOf(program: string): string | null {
  const { status, stdout } = spawnSync(program, ["version"], { encoding: "utf8" });
  return status === 0 ? (/ v([\d.]+)/.exec(stdout)?.[1] ?? "unknown") : null;
}

/** `minimal` leaves out the plugins that no test needs. */
function compile(target: string, scratch: string): void {
  const { program, environment } = findGo(scratch);
  const flags = ["-tags", "minimal", "-trimpath", "-ldflags=-s -w", "-mod=readonly", "-buildvcs=false"];
  run(program, ["build", ...flags, "-o", target, "github.com/hashicorp/vault"], {
    cwd: import.meta.dirname,
    env: environment,
  });
}
