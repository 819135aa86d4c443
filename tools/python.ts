import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { run } from "./command.ts";

export const pythonNeeded = "Python 3.11 or newer with venv";

/** Debian has what `venv` takes in a package of its own, python3-venv. */
export function hasPython(): boolean {
  const check = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))";
  return spawnSync("python3", ["-c", check]).status === 0;
}

/** Makes a virtual environment that holds what the requirements file names; answers its interpreter. */
export function installPackages(folder: string, requirements: string): string {
  if (!hasPython()) throw new Error(`There is no ${pythonNeeded}.`);
  run("python3", ["-m", "venv", folder]);
  const python = join(folder, "bin", "python");
  run(python, ["-m", "pip", "install", "--quiet", "--requirement", requirements]);
  return python;
}
