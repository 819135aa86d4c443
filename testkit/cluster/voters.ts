import { z } from "zod";
import { until } from "../until.ts";
import type { Api } from "./api.ts";
import type { Server } from "./server.ts";

/** What a node says of the leader, and how far in the cluster's log it has come. */
const sightAnswer = z.object({
  leader_address: z.string(),
  is_self: z.boolean(),
  raft_applied_index: z.number().default(0),
  raft_committed_index: z.number().default(0),
});
type Sight = Readonly<z.output<typeof sightAnswer>>;

/** Who belongs to the cluster, whether or not they are there. */
const membersAnswer = z.object({
  data: z.object({
    config: z.object({ servers: z.array(z.object({ node_id: z.string(), voter: z.boolean() })) }),
  }),
});

type Leadership = Readonly<{
  node: Server;
  committed: number;
  /** By address, of the nodes that answer. */
  sights: ReadonlyMap<string, Sight>;
}>;

/** Waits until a node leads. */
export async function findLeader(api: Api, nodes: readonly Server[]): Promise<Server> {
  return until("a leader", async () => (await leadership(api, nodes))?.node ?? null);
}

/** Waits until `count` nodes may each be lost or lead: they vote, know the leader, and have all that it had when this was asked. */
export async function waitForVoters(
  api: Api,
  nodes: readonly Server[],
  count: number,
  token: string,
): Promise<void> {
  let goal: number | null = null;
  await until(`${count} voters`, async () => {
    const now = await leadership(api, nodes);
    if (now === null) return null;
    goal ??= now.committed;
    const least = goal;
    const voters = await votersOf(api, now.node, token);
    const ready = nodes.filter(({ name, address }) => {
      const sight = now.sights.get(address);
      return (
        voters.has(name) && sight?.leader_address === now.node.address && sight.raft_applied_index >= least
      );
    });
    return ready.length >= count ? true : null;
  });
}

/**
 * The node that leads: more than half say so, and so does it itself. One that lost the others, or was halted for a while, goes on
 * calling itself leader for a moment.
 */
async function leadership(api: Api, nodes: readonly Server[]): Promise<Leadership | null> {
  const sights = new Map<string, Sight>();
  await Promise.all(
    nodes.map(async (node) => {
      const sight = await look(api, node);
      if (sight !== null) sights.set(node.address, sight);
    }),
  );
  for (const node of nodes) {
    const own = sights.get(node.address);
    const followers = [...sights.values()].filter(({ leader_address }) => leader_address === node.address);
    if (own?.is_self === true && followers.length * 2 > nodes.length)
      return { node, committed: own.raft_committed_index, sights };
  }
  return null;
}

async function look(api: Api, node: Server): Promise<Sight | null> {
  if (!node.canAnswer) return null;
  const answer = await api.call(node.address, { method: "GET", path: "sys/leader" }).catch(() => null);
  return sightAnswer.safeParse(answer?.body).data ?? null;
}

async function votersOf(api: Api, leader: Server, token: string): Promise<ReadonlySet<string>> {
  const path = "sys/storage/raft/configuration";
  const answer = await api.call(leader.address, { method: "GET", path, token }).catch(() => null);
  const servers = membersAnswer.safeParse(answer?.body).data?.data.config.servers ?? [];
  return new Set(servers.filter(({ voter }) => voter).map(({ node_id }) => node_id));
}
