import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { z } from "zod";
import { StartError } from "../../src/errors.ts";
import { accepted, type Answer, type Api, textAt } from "./api.ts";
import { shipped } from "./configuration.ts";
import { keep, kept } from "./kept.ts";
import type { Program } from "./program.ts";
import type { Server } from "./server.ts";

const initialised = z.object({ root_token: z.string(), recovery_keys_base64: z.array(z.string()) });

/** Makes a cluster of the first node unless it is one, and answers the root token, which is kept in the folder. */
export async function initialise(api: Api, first: Server, folder: string): Promise<string> {
  const path = join(folder, "init.json");
  const before = await api.call(first.address, { method: "GET", path: "sys/init" }, 30_000);
  const text = await kept(path, async () => {
    if (before.body["initialized"] !== false) {
      throw new StartError(`The cluster's root token is lost: there is no ${path}. Begin anew with --fresh.`);
    }
    const body = { recovery_shares: 1, recovery_threshold: 1 };
    const call = { method: "POST", path: "sys/init", body } as const;
    return JSON.stringify(accepted(await api.call(first.address, call, 60_000)).body);
  });
  const { root_token } = initialised.parse(JSON.parse(text));
  await keep(join(folder, "root-token"), root_token);
  return root_token;
}

/** Runs what is shipped for operators. Throws an `Error` with the words of the command that failed. */
export async function runSetUp(program: Program, leader: Server, rootToken: string): Promise<void> {
  const environment = {
    PATH: process.env["PATH"],
    HOME: leader.folder,
    BAO: program.path,
    VAULT_ADDR: leader.address,
    VAULT_CACERT: join(leader.folder, "tls", "ca.crt"),
    VAULT_TOKEN: rootToken,
    AUDIT: "audit",
    AUDIT_SPARE: "audit-spare",
  };
  await promisify(execFile)("sh", [join(shipped, "set-up.sh")], { env: environment }).catch(
    (error: unknown) => {
      const words = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
      throw new Error(`set-up.sh failed: ${words}`, { cause: error });
    },
  );
}

/** What Keyhold needs to log in. */
export type Login = Readonly<{ roleId: string; secretIdFile: string; caFile: string }>;

/** Puts it into the folder, where it is not there yet. */
export async function keepLogin(
  folder: string,
  ca: string,
  leader: Server,
  rootToken: string,
  api: Api,
): Promise<Login> {
  const place = join(folder, "keyhold");
  await mkdir(place, { recursive: true, mode: 0o700 });
  const role = "auth/approle/role/keyhold";
  const ask = async (method: "GET" | "POST", part: string): Promise<Answer> =>
    accepted(await api.call(leader.address, { method, path: `${role}/${part}`, token: rootToken }, 30_000));
  const [secretIdFile, caFile] = [join(place, "secret-id"), join(place, "ca.pem")];
  await kept(secretIdFile, async () => textAt(await ask("POST", "secret-id"), "data", "secret_id"));
  await keep(caFile, ca);
  return { roleId: textAt(await ask("GET", "role-id"), "data", "role_id"), secretIdFile, caFile };
}
