import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../testkit/cluster/cluster.ts";
import type { Server } from "../../testkit/cluster/server.ts";
import type { FaultName } from "./events.ts";

/** What a fault is done to and with. */
export type Scene = Readonly<{
  cluster: Cluster;
  /** Called just before a fault is caused. */
  striking: (what: string) => void;
  /** Waits until writes and uncached reads succeed again. */
  recovered: () => Promise<void>;
  /** Milliseconds for which a leader is frozen. */
  frozenMs: number;
  /** Milliseconds for which all nodes are down. */
  downMs: number;
}>;

/** Causes a fault and mends it; each node that was lost has been started again at the end. */
export const faults: Readonly<Record<FaultName, (scene: Scene) => Promise<void>>> = {
  "leader-killed": async (scene) => {
    const leader = await scene.cluster.leader();
    await kill(leader, `SIGKILL of ${leader.name}, which leads`, scene);
  },
  "follower-killed": async (scene) => {
    const leader = await scene.cluster.leader();
    const follower = scene.cluster.nodes.find((node) => node !== leader);
    if (follower === undefined) throw new Error("a cluster has followers");
    await kill(follower, `SIGKILL of ${follower.name}, which follows`, scene);
  },
  "leader-frozen": async ({ cluster, striking, frozenMs }) => {
    const leader = await cluster.leader();
    striking(`SIGSTOP of ${leader.name}, which leads, for ${frozenMs / 1000} s`);
    leader.signal("SIGSTOP");
    await sleep(frozenMs);
    leader.signal("SIGCONT");
  },
  "all-killed": async ({ cluster, striking, downMs }) => {
    striking(`SIGKILL of all nodes, which stay down for ${downMs / 1000} s`);
    for (const node of cluster.nodes) node.signal("SIGKILL");
    await sleep(downMs);
    await Promise.all(cluster.nodes.map((node) => node.start()));
  },
};

async function kill(node: Server, what: string, { striking, recovered }: Scene): Promise<void> {
  striking(what);
  node.signal("SIGKILL");
  await recovered();
  await node.start();
}
