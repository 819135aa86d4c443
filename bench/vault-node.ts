import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import { freePort } from "../testkit/free-port.ts";
import { startChild } from "./children.ts";

/** One node of Vault or OpenBao, as an operator would run it but for TLS: on loopback it would only be charged to the store. */
export type VaultNode = AsyncDisposable & Readonly<{ origin: string; token: string; tokenFile: string }>;

const initialised = z.object({ keys: z.tuple([z.string()]), root_token: z.string() });
const created = z.object({ auth: z.object({ client_token: z.string() }) });

/** Raft, a key-value engine of version 2 at `secret`, and a file audit device. `policy` is what its token may do. */
export async function startVaultNode(program: string, policy: string): Promise<VaultNode> {
  await using undo = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "keyhold-bench-vault-"));
  undo.defer(() => rm(folder, { recursive: true, force: true }));
  const origin = `http://127.0.0.1:${await freePort()}`;
  await writeFile(join(folder, "config.json"), await configuration(folder, origin));
  const parameters = ["server", "-config", join(folder, "config.json")];
  undo.use(await startChild(program, parameters, { stdio: "ignore" }));
  const call = caller(origin);
  await until(() => call("GET", "sys/seal-status"));
  const init = await call("POST", "sys/init", "", { secret_shares: 1, secret_threshold: 1 });
  const { keys, root_token: root } = initialised.parse(init);
  await call("POST", "sys/unseal", "", { key: keys[0] });
  await until(() => call("GET", "sys/leader", root).then(() => call("GET", "sys/mounts", root)));
  await call("POST", "sys/audit/file", root, {
    type: "file",
    options: { file_path: join(folder, "audit.log") },
  });
  await call("POST", "sys/mounts/secret", root, { type: "kv", options: { version: "2" } });
  await until(() => call("GET", "secret/config", root));
  await call("POST", "sys/policies/acl/keyhold", root, { policy });
  const login = await call("POST", "auth/token/create", root, { policies: ["keyhold"], ttl: "4h" });
  const token = created.parse(login).auth.client_token;
  const tokenFile = join(folder, "token");
  await writeFile(tokenFile, token, { mode: 0o600 });
  const running = undo.move();
  return { origin, token, tokenFile, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

async function configuration(folder: string, origin: string): Promise<string> {
  const cluster = `127.0.0.1:${await freePort()}`;
  return JSON.stringify({
    storage: { raft: { path: folder, node_id: "one", performance_multiplier: 1 } },
    listener: { tcp: { address: new URL(origin).host, cluster_address: cluster, tls_disable: true } },
    api_addr: origin,
    cluster_addr: `https://${cluster}`,
    disable_mlock: true,
    log_level: "error",
  });
}

/** Throws for an answer that is none of success. */
function caller(origin: string) {
  return async (method: "GET" | "POST", path: string, token = "", body?: object): Promise<unknown> => {
    const answer = await fetch(`${origin}/v1/${path}`, {
      method,
      headers: token === "" ? {} : { "x-vault-token": token },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`Vault answered ${answer.status} to ${path}`);
    return text === "" ? null : JSON.parse(text);
  };
}

async function until(ready: () => Promise<unknown>): Promise<void> {
  for (let left = 600; left > 0; left -= 1) {
    if (
      await ready().then(
        () => true,
        () => false,
      )
    )
      return;
    await sleep(50);
  }
  throw new Error("the Vault of the bench did not become ready");
}
