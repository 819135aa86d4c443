import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { VaultAuth } from "../src/config/stores.ts";
import type { VaultSettings } from "../src/vault/nodes.ts";
import { patient } from "./patience.ts";
import type { Arranged, TestVault } from "./vault.ts";

/** What Keyhold may do in the mount `secret`, and nothing beside it: the policy that is shipped. */
export const servicePolicy: string = await readFile(
  join(import.meta.dirname, "..", "deploy", "openbao", "policies", "keyhold-service.hcl"),
  "utf8",
);

/** A way in that is limited as production would limit it. */
export type AppRole = Readonly<{ roleId: string; newSecretId(): Promise<string> }>;

/** Mounts key-value secrets of version 2 at `path`, and waits until they can be used. */
export async function mountSecrets(vault: TestVault, path = "secret"): Promise<void> {
  await arranged(vault.arrange("POST", `sys/mounts/${path}`, { type: "kv", options: { version: "2" } }));
  while ((await vault.arrange("GET", `${path}/config`)).status !== 200) await sleep(20);
}

/** A role whose logins get `policy`, and whose tokens live as `limits` say. */
export async function createAppRole(
  vault: TestVault,
  name: string,
  policy: string,
  limits: Readonly<Record<string, string | number>> = {},
): Promise<AppRole> {
  const { body } = await vault.arrange("GET", "sys/auth");
  if (!("approle/" in body)) await arranged(vault.arrange("POST", "sys/auth/approle", { type: "approle" }));
  await arranged(vault.arrange("POST", `sys/policies/acl/${name}`, { policy }));
  await arranged(
    vault.arrange("POST", `auth/approle/role/${name}`, {
      token_policies: [name],
      token_ttl: "10m",
      ...limits,
    }),
  );
  const role = await arranged(vault.arrange("GET", `auth/approle/role/${name}/role-id`));
  return {
    roleId: textAt(role, "role_id"),
    newSecretId: async () =>
      textAt(await arranged(vault.arrange("POST", `auth/approle/role/${name}/secret-id`, {})), "secret_id"),
  };
}

/** Keyhold's settings for this node: patient with a machine that is busy. */
export function settingsFor(
  vault: TestVault,
  auth: VaultAuth,
  more: Partial<VaultSettings> = {},
): VaultSettings {
  return { addresses: [vault.address], ca: vault.ca, auth, ...patient, ...more };
}

/** A login by AppRole, with its secret in a file as an operator would put it there. */
export async function loginWith(vault: TestVault, role: AppRole): Promise<VaultAuth> {
  const secretIdFile = await secretFile(vault, await role.newSecretId());
  return { method: "approle", roleId: role.roleId, secretIdFile };
}

export async function secretFile(vault: TestVault, text: string): Promise<string> {
  const path = join(vault.folder, randomUUID());
  await writeFile(path, `${text}\n`, { mode: 0o600 });
  return path;
}

/** How many requests for a path, given below `/v1/`, the node has recorded. */
export async function countRequests(vault: TestVault, path: string): Promise<number> {
  const lines = (await readFile(join(vault.folder, "audit.log"), "utf8")).split("\n");
  return lines.filter((line) => line.includes('"type":"request"') && line.includes(`"path":"${path}"`))
    .length;
}

/** The answer, which must not be a refusal: a test that is arranged wrongly proves nothing. */
export async function arranged(call: Promise<Arranged>): Promise<Arranged> {
  const answer = await call;
  if (answer.status >= 300) throw new Error(`${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer;
}

/** A text below `data` or `auth` in an answer. */
export function textAt({ body }: Arranged, name: string, part: "data" | "auth" = "data"): string {
  const data = body[part];
  const value: unknown = typeof data === "object" && data !== null ? Reflect.get(data, name) : undefined;
  if (typeof value !== "string") throw new Error(`the answer has no ${name}`);
  return value;
}
