import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Certificate } from "./certificates.ts";
import { keep } from "./kept.ts";
import { portsOf } from "./ports.ts";
import type { Program } from "./program.ts";
import type { Server } from "./server.ts";

/** What is shipped for production. The cluster of one machine runs on the same files; only places differ. */
export const shipped: string = join(import.meta.dirname, "..", "..", "deploy", "openbao");

/** How the nodes unseal: the shipped stanza, and what its places are here. */
export type Seal = Readonly<{
  stanza: "seal-static.hcl" | "seal-transit.hcl";
  places: Readonly<Record<string, string>>;
  /** Variables for each node. */
  environment: Readonly<Record<string, string>>;
}>;

/** Writes the configuration of one of these nodes into its folder. */
export async function configureNode(
  node: Server,
  nodes: readonly Server[],
  seal: Seal,
  { product }: Program,
): Promise<void> {
  const folder = join(node.folder, "config");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const places = { ...seal.places, ...placesOf(node, nodes) };
  for (const name of ["node.hcl", product === "OpenBao" ? "openbao.hcl" : "vault.hcl", seal.stanza]) {
    const text = await readFile(join(shipped, "config", name), "utf8");
    await keep(join(folder, name), fit(text, places));
  }
  node.environment = {
    VAULT_RAFT_NODE_ID: node.name,
    VAULT_API_ADDR: node.address,
    VAULT_CLUSTER_ADDR: `https://127.0.0.1:${portsOf(node.port).cluster}`,
    ...seal.environment,
  };
}

export async function writeCertificate(
  { folder }: Server,
  own: Certificate,
  authorities: Readonly<Record<string, string>>,
): Promise<void> {
  const tls = join(folder, "tls");
  await mkdir(tls, { recursive: true, mode: 0o700 });
  await keep(join(tls, "tls.crt"), own.certificate);
  await keep(join(tls, "tls.key"), own.key);
  for (const [name, certificate] of Object.entries(authorities)) await keep(join(tls, name), certificate);
}

/** What stands in the shipped files, and what stands for it here. */
function placesOf(node: Server, nodes: readonly Server[]): Record<string, string> {
  const { api, cluster, metrics } = portsOf(node.port);
  return {
    ...Object.fromEntries(
      nodes.map(({ address }, at) => [`https://openbao-${at}.openbao-internal.openbao.svc:8200`, address]),
    ),
    "0.0.0.0:8200": `127.0.0.1:${api}`,
    "0.0.0.0:8201": `127.0.0.1:${cluster}`,
    "0.0.0.0:8202": `127.0.0.1:${metrics}`,
    "/openbao/data": join(node.folder, "data"),
    "/openbao/tls": join(node.folder, "tls"),
    // From the folder that the server runs in: the nodes of a cluster share the paths of their audit devices, and here also the disk.
    "/openbao/audit": "audit",
  };
}

/** Throws an `Error` for a place that is not known here: then a shipped file has changed, and this one must follow. */
function fit(text: string, places: Readonly<Record<string, string>>): string {
  let fitted = text;
  for (const [there, here] of Object.entries(places)) fitted = fitted.replaceAll(there, here);
  const settings = fitted.replaceAll(/^\s*#.*$/gm, "");
  const strange = /\/openbao\/\S*|0\.0\.0\.0\S*|\S*\.(?:svc|example)\b\S*/.exec(settings)?.[0];
  if (strange !== undefined) throw new Error(`a shipped file names ${strange}, which has no place here`);
  return fitted;
}
