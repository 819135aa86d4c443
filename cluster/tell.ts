import { join, relative } from "node:path";
import type { Cluster } from "../testkit/cluster/cluster.ts";

type Say = (line?: string) => void;

/** What somebody who has just started it needs to know. */
export async function introduce(cluster: Cluster, say: Say): Promise<void> {
  const { folder, login } = cluster;
  const leader = await cluster.leader();
  say();
  for (const { name, address, pid } of cluster.nodes)
    say(`  ${name}  ${address}  process ${pid}${name === leader.name ? ", leads" : ""}`);
  say(`  folder  ${here(folder)}: data, logs, the audit logs of each node, certificates, the root token`);
  say(`  seal    ${tellSeal(cluster)}`);
  say();
  say(
    "Everything that opens this cluster lies in its folder: it is for trying things out, and for nothing that matters.",
  );
  say();
  say("To start Keyhold with it, on a database of its own, in another terminal:");
  // The key that wraps what this database holds is in this very cluster, so a new one needs a new database.
  const service = join(folder, `service-${login.roleId.slice(0, 8)}`);
  tellVariables({ KEYHOLD_FOLDER: service, ...cluster.environment }, say);
  say("  npm start");
  say();
  say("To look into it as root:");
  tellVariables({ VAULT_ADDR: leader.address, VAULT_CACERT: login.caFile }, say);
  say(`  export VAULT_TOKEN=$(cat ${quote(join(folder, "root-token"))})`);
  say(`  ${quote(cluster.program.path)} operator raft list-peers`);
  say();
  say(`To lose the leader: kill -9 ${leader.pid}. What ends starts again after ten seconds.`);
  say("Ctrl-C ends the cluster. Its data stay, and the next start goes on with them.");
}

function tellSeal({ program, folder }: Cluster): string {
  if (program.product === "OpenBao") return `static, with a key in ${here(join(folder, "seal"))}`;
  return `Transit of a fourth server, whose own unseal key lies in ${here(join(folder, "unsealer"))}`;
}

function tellVariables(variables: Readonly<Record<string, string>>, say: Say): void {
  for (const [name, value] of Object.entries(variables)) say(`  export ${name}=${quote(value)}`);
}

function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

function here(path: string): string {
  return relative(process.cwd(), path) || ".";
}
