import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { until } from "../until.ts";
import { accepted, type Answer, type Api, type Call, textAt } from "./api.ts";
import { type Certificate, issueCertificate } from "./certificates.ts";
import { type Seal, shipped, writeCertificate } from "./configuration.ts";
import { keep, kept } from "./kept.ts";
import { portsOf } from "./ports.ts";
import type { Server } from "./server.ts";

/** What initialising it has told. */
const unsealing = z.object({ keys_base64: z.tuple([z.string()]), root_token: z.string() });

/**
 * Starts the server whose Transit unseals nodes of Vault, which has no static seal. It is one node, and what unseals it lies in its
 * own folder: enough for one machine, and for nothing else.
 */
export async function startUnsealer(server: Server, api: Api, authority: Certificate): Promise<Seal> {
  await writeCertificate(server, issueCertificate(authority, server.name, ["127.0.0.1"]), {});
  await configure(server);
  await server.launch();
  const rootToken = await unseal(server, api);
  return {
    stanza: "seal-transit.hcl",
    places: { "https://unseal.example:8200": server.address },
    environment: { VAULT_TOKEN: await newToken(server, api, rootToken) },
  };
}

async function configure({ folder, name, port, address }: Server): Promise<void> {
  const { api, cluster } = portsOf(port);
  const tls = { tls_cert_file: join(folder, "tls", "tls.crt"), tls_key_file: join(folder, "tls", "tls.key") };
  await mkdir(join(folder, "config"), { recursive: true, mode: 0o700 });
  await keep(
    join(folder, "config", "config.json"),
    JSON.stringify({
      storage: { raft: { path: join(folder, "data"), node_id: name, performance_multiplier: 1 } },
      listener: { tcp: { address: `127.0.0.1:${api}`, cluster_address: `127.0.0.1:${cluster}`, ...tls } },
      api_addr: address,
      cluster_addr: `https://127.0.0.1:${cluster}`,
      disable_mlock: true,
    }),
  );
}

/** Answers its root token. */
async function unseal(server: Server, api: Api): Promise<string> {
  const call = async (path: string, body: object): Promise<Answer> =>
    accepted(await api.call(server.address, { method: "POST", path, body }, 30_000));
  const text = await kept(join(server.folder, "unseal.json"), async () =>
    JSON.stringify((await call("sys/init", { secret_shares: 1, secret_threshold: 1 })).body),
  );
  const { keys_base64, root_token } = unsealing.parse(JSON.parse(text));
  await call("sys/unseal", { key: keys_base64[0] });
  await until(`${server.name} to lead`, async () => ((await server.health())?.status === 200 ? true : null));
  return root_token;
}

/** For the nodes: it lives while they renew it, and every start makes a new one. */
async function newToken(server: Server, api: Api, rootToken: string): Promise<string> {
  const call = async (method: Call["method"], path: string, body?: object): Promise<Answer> =>
    api.call(server.address, { method, path, token: rootToken, body }, 30_000);
  if ((await call("GET", "transit/keys/unseal")).status !== 200) {
    accepted(await call("POST", "sys/mounts/transit", { type: "transit" }));
    accepted(await call("POST", "transit/keys/unseal", {}));
  }
  const policy = await readFile(join(shipped, "policies", "unseal.hcl"), "utf8");
  accepted(await call("POST", "sys/policies/acl/unseal", { policy }));
  const wish = { policies: ["unseal"], no_default_policy: true, period: "24h" };
  return textAt(accepted(await call("POST", "auth/token/create-orphan", wish)), "auth", "client_token");
}
