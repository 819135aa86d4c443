import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { StartError } from "../../src/errors.ts";
import { vault } from "../../tools/vault/build.ts";

/** A server's program: OpenBao's `bao`, or HashiCorp's `vault`. */
export type Program = Readonly<{ path: string; product: "OpenBao" | "Vault"; version: string }>;

/**
 * The program of this name or path, or else the first there is: `bao` and `vault` on the PATH, what `tools/vault` built.
 * Throws `StartError` where there is none, or it is something else.
 */
export function findProgram(
  named?: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Program {
  const path = named ?? onPath("bao", environment) ?? onPath("vault", environment) ?? vault.find();
  if (path === null) {
    throw new StartError(
      "There is neither OpenBao nor HashiCorp Vault. Put `bao` or `vault` on the PATH, name one with --program, or build Vault once " +
        "with `npm run tools`.",
    );
  }
  return describe(path);
}

function onPath(name: string, environment: Readonly<Record<string, string | undefined>>): string | null {
  const folders = (environment["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

function describe(path: string): Program {
  const told = spawnSync(path, ["version"]).stdout?.toString() ?? "";
  const [, product, version = ""] = /^(OpenBao|Vault) v([\w.+-]+)/.exec(told) ?? [];
  if (product !== "OpenBao" && product !== "Vault") {
    throw new StartError(`${path} is neither OpenBao nor HashiCorp Vault, or does not run on this machine.`);
  }
  return { path, product, version };
}
