import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { accepted, textAt } from "../../testkit/cluster/api.ts";
import { shipped } from "../../testkit/cluster/configuration.ts";
import { until } from "../../testkit/until.ts";
import { keepOne, type Subject } from "./keyhold.ts";

/** The scripts that run beside the nodes, on a cluster that is real. */
export function scripts(get: () => Subject): void {
  describe("has scripts that run beside it:", () => {
    async function saveSnapshot(folder: string, policy: string): Promise<number> {
      const { cluster } = get();
      const wish = { policies: [policy], no_default_policy: true, ttl: "10m" };
      const answer = accepted(await cluster.arrange("POST", "auth/token/create-orphan", wish));
      const env = {
        PATH: process.env["PATH"],
        HOME: cluster.folder,
        BAO: cluster.program.path,
        VAULT_ADDR: (await cluster.leader()).address,
        VAULT_CACERT: cluster.login.caFile,
        VAULT_TOKEN: textAt(answer, "auth", "client_token"),
      };
      const script = join(shipped, "scripts", "save-snapshot.sh");
      return promisify(execFile)("sh", [script, folder], { env }).then(
        () => 0,
        () => 1,
      );
    }

    test("a snapshot is saved for its owner alone, and old ones go only when there is a new one", async () => {
      const folder = await mkdtemp(join(get().cluster.folder, "snapshots-"));
      const old = join(folder, "2020-01-01T000000Z.snap");
      await writeFile(old, "");
      await utimes(old, 0, 0);
      expect(await saveSnapshot(folder, "prometheus")).toBe(1);
      expect(await readdir(folder)).toContain("2020-01-01T000000Z.snap");
      expect(await saveSnapshot(folder, "snapshot")).toBe(0);
      const [saved = "", ...others] = await readdir(folder);
      expect([saved, others]).toEqual([expect.stringMatching(/^\d{4}-\d\d-\d\dT\d{6}Z\.snap$/), []]);
      const { mode, size } = await stat(join(folder, saved));
      expect([mode & 0o777, size > 1000]).toEqual([0o600, true]);
    });

    test("an audit log that has grown is set aside, the server writes to a new one, and a few are kept", async () => {
      const { cluster, store } = get();
      const { folder, pid } = await cluster.leader();
      // In its pod the script signals the only server there is; here there are others.
      const bin = join(folder, "bin");
      await mkdir(bin);
      await writeFile(join(bin, "pkill"), `#!/bin/sh\nkill -HUP ${pid}\n`, { mode: 0o700 });
      const env = { PATH: `${bin}:${process.env["PATH"]}`, LIMIT_MIB: "0", KEEP: "2", EVERY_SECONDS: "1" };
      const log = join(folder, "audit", "audit.log");
      const script = spawn("sh", [join(shipped, "scripts", "rotate-audit.sh"), log], {
        env,
        stdio: "ignore",
      });
      const seen = new Set<string>();
      await until("four logs that were set aside", async () => {
        await keepOne(store);
        const aside = (await readdir(join(folder, "audit"))).filter((name) => name !== "audit.log");
        for (const name of aside) seen.add(name);
        // While one is removed there is one more.
        expect(aside.length).toBeLessThanOrEqual(3);
        return seen.size >= 4 ? true : null;
      });
      script.kill();
      await once(script, "exit");
      await until("a log that grows", async () => {
        await keepOne(store);
        return (await stat(log).catch(() => null))?.size ?? null;
      });
    });
  });
}
