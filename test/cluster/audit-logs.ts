import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { textAt } from "../../testkit/cluster/api.ts";
import type { Server } from "../../testkit/cluster/server.ts";
import { until } from "../../testkit/until.ts";
import { isThere, keepOne, logIn, pathOf, type Subject } from "./keyhold.ts";

/** Folders of the two devices. */
const devices = ["audit", "audit-spare"] as const;

/** What the audit devices of a node hold, and what becomes of the node without them. */
export function auditLogs(get: () => Subject): void {
  describe("writes audit logs:", () => {
    test("whoever leads has every request in both, and no value, token or secret id", async () => {
      const { cluster, store } = get();
      const token = textAt(await logIn(cluster), "auth", "client_token");
      const login = { role_id: cluster.login.roleId, secret_id: await cluster.newSecretId() };
      for (const time of ["first", "after an election"]) {
        const leader = await cluster.leader();
        const { ref, fields } = await keepOne(store);
        expect(await isThere(store, { ref, fields })).toBe(true);
        await cluster.arrange("GET", "auth/token/lookup-self", undefined, { token });
        await cluster.arrange("POST", "auth/approle/login", login);
        const values = [...fields.values()].map((sealed) => sealed.toBase64());
        for (const device of devices) {
          // The same search finds what these logs do tell: the path.
          expect(await countLines(leader, device, pathOf(ref))).toBeGreaterThanOrEqual(4);
          for (const hidden of [token, login.secret_id, cluster.rootToken, ...values])
            expect(await countLines(leader, device, hidden)).toBe(0);
        }
        if (time === "first") await letAnotherLead(leader);
      }
    });

    test("one device may fail, for what is asked is in the other; with none left nobody is answered", async () => {
      const { cluster, store } = get();
      const leader = await cluster.leader();
      const path = pathOf((await keepOne(store)).ref);
      const read = async (): Promise<number> => (await cluster.arrange("GET", `secret/data/${path}`)).status;

      await breakDevice(leader, "audit");
      await until("a request that one device alone has", async () => {
        const [broken, spare] = [
          await countLines(leader, "audit.aside", path),
          await countLines(leader, "audit-spare", path),
        ];
        expect(await read()).toBe(200);
        const isBroken = (await countLines(leader, "audit.aside", path)) === broken;
        return isBroken && (await countLines(leader, "audit-spare", path)) > spare ? true : null;
      });
      await breakDevice(leader, "audit-spare");
      await until("a refusal", async () => ((await read()) === 500 ? true : null));
      await mendDevices(leader);
      await until("an answer", async () => ((await read()) === 200 ? true : null));
    });

    async function letAnotherLead(leader: Server): Promise<void> {
      leader.signal("SIGKILL");
      await get().cluster.leader();
      await leader.start();
      await get().cluster.waitForVoters();
    }
  });
}

async function countLines(node: Server, folder: string, text: string): Promise<number> {
  const lines = (await readFile(join(node.folder, folder, "audit.log"), "utf8")).split("\n");
  return lines.filter((line) => line.includes(text)).length;
}

/** Puts a file where the folder of a device was, and makes the node open its devices anew. */
async function breakDevice(node: Server, device: string): Promise<void> {
  await rename(join(node.folder, device), join(node.folder, `${device}.aside`));
  await writeFile(join(node.folder, device), "");
  node.signal("SIGHUP");
}

async function mendDevices(node: Server): Promise<void> {
  for (const device of devices) {
    await rm(join(node.folder, device));
    await rename(join(node.folder, `${device}.aside`), join(node.folder, device));
  }
  node.signal("SIGHUP");
}
