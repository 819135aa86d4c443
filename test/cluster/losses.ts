import { beforeAll, describe, expect, test } from "vitest";
import type { Server } from "../../testkit/cluster/server.ts";
import { until } from "../../testkit/until.ts";
import { isThere, keepOne, type Kept, newRef, type Subject } from "./keyhold.ts";

/** Nodes are lost while Keyhold reads. */
export function losses(get: () => Subject): void {
  describe("goes on when nodes are lost:", () => {
    const secrets: Kept[] = [];
    beforeAll(async () => {
      for (let count = 0; count < 10; count += 1) secrets.push(await keepOne(get().store));
    });

    test("the leader is killed, every value is read, another leads, and the killed one comes back by itself", async () => {
      const { cluster, store } = get();
      const lost = await cluster.leader();
      const missed = await missedWhile(async () => {
        lost.signal("SIGKILL");
        expect(await cluster.leader()).not.toBe(lost);
        expect(lost.isRunning).toBe(false);
        secrets.push(await keepOne(store));
      });
      expect(missed).toBe(0);
      await lost.start();
      await cluster.waitForVoters();
    });

    test("a value that is gone would be missed", async () => {
      const [first] = secrets;
      if (first === undefined) throw new Error("there are secrets");
      secrets.push({ ...first, ref: newRef() });
      expect(await missedWhile(() => Promise.resolve())).toBeGreaterThan(0);
      secrets.pop();
    });

    test("a follower is killed, reading and writing go on, and it comes back by itself", async () => {
      const { cluster, store } = get();
      const lost = await followerOf(await cluster.leader());
      const missed = await missedWhile(async () => {
        lost.signal("SIGKILL");
        secrets.push(await keepOne(store), await keepOne(store));
      });
      expect(missed).toBe(0);
      await lost.start();
      await cluster.waitForVoters();
    });

    test("the leader hangs, every value is read, and when it goes on it follows another", async () => {
      const { cluster, store } = get();
      const hanging = await cluster.leader();
      const missed = await missedWhile(async () => {
        hanging.signal("SIGSTOP");
        expect(await cluster.leader()).not.toBe(hanging);
        secrets.push(await keepOne(store));
        hanging.signal("SIGCONT");
        await until("it to follow", async () => ((await hanging.health())?.status === 429 ? true : null));
      });
      expect(missed).toBe(0);
    });

    test("all three are killed, unseal without anybody's help, and everything is there", async () => {
      const { cluster } = get();
      for (const node of cluster.nodes) node.signal("SIGKILL");
      await Promise.all(cluster.nodes.map((node) => node.start()));
      await cluster.waitForVoters();
      expect(await missedWhile(() => Promise.resolve())).toBe(0);
    });

    async function followerOf(leader: Server): Promise<Server> {
      const follower = get().cluster.nodes.find((node) => node !== leader);
      if (follower === undefined) throw new Error("a cluster has followers");
      return follower;
    }

    /** Three read on while `work` runs, and all of it once more when it is over; answers how many values did not come. */
    async function missedWhile(work: () => Promise<void>): Promise<number> {
      let missed = 0;
      const read = async (): Promise<void> => {
        for (const secret of secrets) if (!(await isThere(get().store, secret))) missed += 1;
      };
      const over = new AbortController();
      const readers = [1, 2, 3].map(async () => {
        while (!over.signal.aborted) await read();
        await read();
      });
      await work().finally(() => over.abort());
      await Promise.all(readers);
      return missed;
    }
  });
}
