import { randomBytes } from "node:crypto";
import { access, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Api } from "./api.ts";
import { type Certificate, issueCertificate } from "./certificates.ts";
import { Cluster } from "./cluster.ts";
import { configureNode, type Seal, writeCertificate } from "./configuration.ts";
import { keep } from "./kept.ts";
import { findProgram, type Program } from "./program.ts";
import { Server } from "./server.ts";
import { initialise, keepLogin, runSetUp } from "./set-up.ts";
import { openAuthority, openFolder, refuseTaken, settle } from "./state.ts";
import { startUnsealer } from "./unsealer.ts";
import { findLeader, waitForVoters } from "./voters.ts";

export type ClusterOptions = Readonly<{
  /** Left out, the first that `findProgram` finds. */
  program?: Program | undefined;
  /** Where all of it is kept, to be started on again; left out, a temporary one that goes when the cluster stops. */
  folder?: string | undefined;
  /** Whether what the folder has is removed first. */
  fresh?: boolean | undefined;
  /** The first of four ports of each node, for a new folder; left out, any that are free. */
  ports?: readonly number[] | undefined;
  /** Told what is under way. */
  say?: (line: string) => void;
}>;

const nodeNames = ["node-1", "node-2", "node-3"] as const;
const unsealerName = "unsealer";

/** The servers of a folder, and what they share. */
type Site = Readonly<{
  program: Program;
  folder: string;
  authority: Certificate;
  api: Api;
  nodes: readonly Server[];
  unsealer: Server;
}>;

/**
 * Starts three nodes on loopback, on the configuration that is shipped and with an authority of their own, and sets them up for
 * Keyhold. Resolves when any one of them may be lost. Where the folder has a cluster, that one comes back. Throws `StartError` where
 * the start is refused.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { program = findProgram(), ports, say = () => undefined } = options;
  await using undo = new AsyncDisposableStack();
  const folder = await openFolder(options, [...nodeNames, unsealerName], undo);
  const site = await openSite(folder, program, ports, undo);
  const { api, authority, nodes } = site;
  say("starting the servers");
  const rootToken = await bringUp(site);
  say("setting them up for Keyhold");
  await runSetUp(program, await findLeader(api, nodes), rootToken);
  const login = await keepLogin(folder, authority.certificate, await findLeader(api, nodes), rootToken, api);
  say("waiting until all three vote");
  await waitForVoters(api, nodes, nodes.length, rootToken);
  const running = undo.move();
  const end = (): Promise<void> => running.disposeAsync();
  return new Cluster({ program, folder, nodes, api, ca: authority.certificate, rootToken, login, end });
}

async function openSite(
  folder: string,
  program: Program,
  wished: readonly number[] | undefined,
  undo: AsyncDisposableStack,
): Promise<Site> {
  const { ports } = await settle(folder, program, wished);
  const authority = await openAuthority(folder);
  const api = new Api(authority.certificate);
  undo.defer(() => api.close());
  const serverOf = (name: string, at: number): Server =>
    new Server({ program, api, name, folder: join(folder, name), port: ports[at] ?? 0 });
  const nodes = nodeNames.map(serverOf);
  const unsealer = serverOf(unsealerName, nodes.length);
  await refuseTaken(ports);
  undo.defer(() => unsealer.stop());
  undo.defer(async () => void (await Promise.all(nodes.map((node) => node.stop()))));
  return { program, folder, authority, api, nodes, unsealer };
}

/** Starts every server, and answers the root token of the cluster they are, or have become. */
async function bringUp(site: Site): Promise<string> {
  const { program, folder, authority, api, nodes } = site;
  const seal = await openSeal(site);
  for (const node of nodes) {
    const certificate = issueCertificate(authority, node.name, ["127.0.0.1", "localhost"]);
    await writeCertificate(node, certificate, {
      "ca.crt": authority.certificate,
      "unseal-ca.crt": authority.certificate,
    });
    await configureNode(node, nodes, seal, program);
  }
  await Promise.all(nodes.map((node) => node.launch()));
  const [first] = nodes;
  if (first === undefined) throw new Error("a cluster has nodes");
  const rootToken = await initialise(api, first, folder);
  await Promise.all(nodes.map((node) => node.becomeUnsealed()));
  return rootToken;
}

async function openSeal({ program, folder, authority, api, unsealer }: Site): Promise<Seal> {
  if (program.product === "Vault") return startUnsealer(unsealer, api, authority);
  // Away from the data, as it has to be; here on the same disk all the same.
  const place = join(folder, "seal");
  await mkdir(place, { recursive: true, mode: 0o700 });
  const key = join(place, "unseal-1.key");
  const exists = await access(key).then(
    () => true,
    () => false,
  );
  if (!exists) await keep(key, randomBytes(32));
  return { stanza: "seal-static.hcl", places: { "/openbao/seal": place }, environment: {} };
}
