import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

/** The version that go.mod requires. */
export const vaultVersion = "1.21.2";

/** Where the built program lies: outside the tree, so that every checkout of this machine shares it. */
export function builtVault(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const cache = environment["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(cache, "keyhold", `vault-${vaultVersion}`, "vault");
}

/**
 * Builds the program unless it is there already. Without Go there is nothing to build with: it says so and answers false.
 * Throws when the build fails; the compiler has said why.
 */
export function buildVault(say: (line: string) => void): boolean {
  const target = builtVault();
  if (existsSync(target)) return true;
  if (spawnSync("go", ["version"]).status !== 0) {
    say("HashiCorp Vault is not built, for there is no Go: the tests that need it are skipped.");
    return false;
  }
  say(`Building HashiCorp Vault ${vaultVersion} for tests, once: about six minutes on two cores.`);
  mkdirSync(dirname(target), { recursive: true });
  const draft = `${target}.${process.pid}`;
  try {
    compile(draft);
    renameSync(draft, target);
  } finally {
    rmSync(draft, { force: true });
  }
  return true;
}

/** `minimal` leaves out the plugins that no test needs; without cgo the program runs on any Linux. */
function compile(target: string): void {
  const flags = ["-tags", "minimal", "-trimpath", "-ldflags=-s -w", "-mod=readonly"];
  const { status } = spawnSync("go", ["build", ...flags, "-o", target, "github.com/hashicorp/vault"], {
    cwd: import.meta.dirname,
    env: { ...process.env, CGO_ENABLED: "0" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if (status !== 0) throw new Error("HashiCorp Vault could not be built.");
}

if (import.meta.main) buildVault((line) => process.stderr.write(`${line}\n`));
