import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cluster } from "../../testkit/cluster/cluster.ts";
import { findProgram } from "../../testkit/cluster/program.ts";
import { startCluster } from "../../testkit/cluster/start.ts";
import { findVault } from "../../testkit/vault.ts";
import { auditLogs } from "./audit-logs.ts";
import { isThere, keepOne, openKeyhold, type Subject } from "./keyhold.ts";
import { losses } from "./losses.ts";
import { podOfNodes } from "./manifests.ts";
import { rights } from "./rights.ts";
import { scripts } from "./scripts.ts";

const program = findVault();
/** An election takes seconds, a new member ten of them, and the machine may be busy. */
const timeout = 240_000;

describe.skipIf(program === null)("a cluster of three nodes", { timeout }, () => {
  let folder: string;
  let cluster: Cluster;
  let subject: Subject;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "keyhold-cluster-"));
    cluster = await startCluster({ program: findProgram(program ?? ""), folder });
    subject = { cluster, ...openKeyhold(cluster) };
  }, timeout);
  afterAll(async () => {
    await subject?.client.close();
    await cluster?.stop();
    await rm(folder, { recursive: true, force: true });
  }, timeout);

  test("is one, and all three vote", async () => {
    const { body } = await cluster.arrange("GET", "sys/storage/raft/configuration");
    const voters = cluster.nodes.map(({ name }) => expect.objectContaining({ node_id: name, voter: true }));
    expect(body["data"]).toMatchObject({
      config: { servers: expect.toSatisfy((servers) => servers.length === 3) },
    });
    expect(body["data"]).toMatchObject({ config: { servers: expect.arrayContaining(voters) } });
    const healths = await Promise.all(cluster.nodes.map((node) => node.health()));
    const ids = new Set(healths.map((health) => health?.body["cluster_id"]));
    expect([...ids]).toEqual([expect.any(String)]);
  });

  test("is ready in the eyes of Kubernetes, its leader and its standbys", async () => {
    const agent = new Agent({ connect: { ca: cluster.ca } });
    const paths = podOfNodes().containers.flatMap((it) => [it.readinessProbe, it.livenessProbe]);
    for (const { address } of cluster.nodes)
      for (const probe of paths.filter((it) => it !== undefined)) {
        const { statusCode, body } = await request(`${address}${probe.httpGet.path}`, { dispatcher: agent });
        await body.dump();
        expect(statusCode).toBe(200);
      }
    await agent.destroy();
  });

  rights(() => subject);
  losses(() => subject);
  auditLogs(() => subject);
  scripts(() => subject);

  test("comes back as a program of its own, tells how Keyhold gets to it, and leaves nothing behind", async () => {
    const secret = await keepOne(subject.store);
    await cluster.stop();
    const main = startMain("--folder", folder, "--program", program ?? "");
    await main.says("Ctrl-C ends the cluster");
    const told = Object.fromEntries(
      [...main.output().matchAll(/^ {2}export (KEYHOLD_\w+)=(.*)$/gm)].map(([, name = "", value = ""]) => [
        name,
        value,
      ]),
    );
    expect(told).toMatchObject(cluster.environment);
    expect(await isThere(subject.store, secret)).toBe(true);
    const processes = [...main.output().matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
    expect(processes.filter(isAlive)).toHaveLength(3);
    main.interrupt();
    expect(await main.ended).toBe(0);
    expect(processes.filter(isAlive)).toEqual([]);
  });
});

/** The program as `npm run cluster` starts it. */
function startMain(...argv: readonly string[]) {
  const main = join(import.meta.dirname, "..", "..", "cluster", "main.ts");
  const child = spawn(process.execPath, [main, ...argv], {
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      child.emit("output");
    });
  return {
    output: () => output,
    interrupt: () => child.kill("SIGINT"),
    says: async (words: string) => {
      while (!output.includes(words)) await once(child, "output");
    },
    ended: once(child, "close").then(([code]: unknown[]) => code),
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
