import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { findInCache } from "../cache.ts";
import { installPackages } from "../python.ts";
import type { Tool } from "../tool.ts";

/** The version that requirements.txt pins. */
const version = "5.2.5";
const folder = `moto-${version}`;

/** moto's server, which answers as AWS does. What runs it is a Python that knows the module `moto.server`. */
export const moto: Tool = {
  name: `moto ${version}`,
  folder,
  find() {
    const installed = findInCache(folder);
    // A link to the Python of the system, which may be gone: that is for `works` to tell.
    return installed && join(installed, "bin", "python");
  },
  works(python) {
    const check = "import moto, moto.server; print(moto.__version__)";
    const { status, stdout } = spawnSync(python, ["-c", check], { encoding: "utf8" });
    return status === 0 && stdout.trim() === version;
  },
  announcement: `Installing moto ${version} for tests, once: about half a minute.`,
  // Programs in a virtual environment know its path and do not survive a move; its interpreter does.
  make(scratch) {
    const installed = join(scratch, folder);
    installPackages(installed, join(import.meta.dirname, "requirements.txt"));
    return installed;
  },
};
