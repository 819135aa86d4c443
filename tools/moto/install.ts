import { spawnSync } from "node:child_process";
import { existsSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The version that requirements.txt pins. */
export const motoVersion = "5.2.5";

/** The virtual environment: outside the tree, so that every checkout of this machine shares it. */
function folder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const cache = environment["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return join(cache, "keyhold", `moto-${motoVersion}`);
}

export function installedMoto(): string {
  return join(folder(), "bin", "moto_server");
}

/**
 * Installs the server unless it is there already. Without Python there is nothing to install it with: it says so and answers
 * false. Throws when the installation fails; pip has said why.
 */
export function installMoto(say: (line: string) => void): boolean {
  if (existsSync(installedMoto())) return true;
  if (spawnSync("python3", ["-c", "import venv, ensurepip"]).status !== 0) {
    say("moto is not installed, for there is no Python with venv: the tests that need it are skipped.");
    return false;
  }
  say(`Installing moto ${motoVersion} for tests, once: about half a minute.`);
  // A virtual environment holds its own path and cannot be moved: one without a server is an installation that broke off.
  rmSync(folder(), { recursive: true, force: true });
  run("python3", ["-m", "venv", folder()]);
  const requirements = join(import.meta.dirname, "requirements.txt");
  run(join(folder(), "bin", "pip"), ["install", "--quiet", "--requirement", requirements]);
  return true;
}

function run(program: string, parameters: readonly string[]): void {
  const { status } = spawnSync(program, parameters, { stdio: ["ignore", "inherit", "inherit"] });
  if (status !== 0) throw new Error("moto could not be installed.");
}

if (import.meta.main) installMoto((line) => process.stderr.write(`${line}\n`));
