import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Api } from "../../testkit/cluster/api.ts";
import { configureNode } from "../../testkit/cluster/configuration.ts";
import { endLeftover } from "../../testkit/cluster/leftovers.ts";
import { choosePorts } from "../../testkit/cluster/ports.ts";
import { findProgram } from "../../testkit/cluster/program.ts";
import { Server } from "../../testkit/cluster/server.ts";
import { startCluster } from "../../testkit/cluster/start.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-cluster-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A program that says this when it is asked for its version. */
async function programThatSays(name: string, words: string): Promise<string> {
  const path = join(await mkdtemp(join(folder, "bin-")), name);
  await writeFile(path, `#!/bin/sh\necho '${words}'\n`);
  await chmod(path, 0o700);
  return path;
}

describe("the program of the servers", () => {
  test("is the one that is named, or OpenBao before Vault on the PATH", async () => {
    const bao = await programThatSays("bao", "OpenBao v2.7.2 (abc), committed 2026-10-26");
    const vault = await programThatSays("vault", "Vault v1.21.2, built 2025-11-21");
    const PATH = [join(vault, ".."), join(bao, "..")].join(":");
    expect(findProgram(undefined, { PATH })).toEqual({ path: bao, product: "OpenBao", version: "2.7.2" });
    expect(findProgram(vault, { PATH })).toEqual({ path: vault, product: "Vault", version: "1.21.2" });
  });

  test("that is something else is refused", async () => {
    const other = await programThatSays("vault", "Vault of the bank v1");
    expect(() => findProgram(other)).toThrow("neither OpenBao nor HashiCorp Vault");
    expect(() => findProgram(join(folder, "nothing"))).toThrow("does not run on this machine");
  });
});

describe("a start is refused", () => {
  const program = { path: "/nowhere/vault", product: "Vault", version: "1.21.2" } as const;

  test("in a folder that has something else, and nothing there is removed", async () => {
    const place = await mkdtemp(join(folder, "else-"));
    await writeFile(join(place, "precious"), "");
    const start = startCluster({ program, folder: place, fresh: true });
    await expect(start).rejects.toThrow("holds something else");
    expect(await readdir(place)).toEqual(["precious"]);
  });

  test("where the folder has a cluster of another product", async () => {
    const place = await mkdtemp(join(folder, "bao-"));
    await writeFile(
      join(place, "cluster.json"),
      JSON.stringify({ product: "OpenBao", ports: await choosePorts(4) }),
    );
    await expect(startCluster({ program, folder: place })).rejects.toThrow("has a cluster of OpenBao");
  });

  test("where another program has one of the ports", async () => {
    const ports = await choosePorts(3);
    const other = createServer();
    await once(other.listen((ports[1] ?? 0) + 1, "127.0.0.1"), "listening");
    const start = startCluster({ program, folder: await mkdtemp(join(folder, "taken-")), ports });
    await expect(start).rejects.toThrow(`Port ${(ports[1] ?? 0) + 1} of this machine is taken`);
    other.close();
  });
});

describe("a server that an earlier start left behind", () => {
  /** A process that has this folder's configuration on its command line, or another's. */
  async function leave(place: string, starter: number, configured = place) {
    const argv = ["-e", "setInterval(() => {}, 1000)", "server", `-config=${join(configured, "config")}`];
    const child = spawn(process.execPath, argv, { stdio: "ignore" });
    await once(child, "spawn");
    await mkdir(place, { recursive: true });
    await writeFile(join(place, "pid"), `${child.pid} ${starter}\n`);
    return child;
  }
  /** No process has it: it is above what Linux gives out. */
  const nobody = 2 ** 22 + 1;

  test("is ended", async () => {
    const place = join(folder, "left");
    const child = await leave(place, nobody);
    await endLeftover(place);
    expect(child.signalCode ?? (await once(child, "exit"))[1]).toBe("SIGTERM");
  });

  test("is left alone while its starter is at work, and so is a stranger's process", async () => {
    const place = join(folder, "used");
    const used = await leave(place, process.ppid);
    await expect(endLeftover(place)).rejects.toThrow(`process ${process.ppid}`);
    const stranger = await leave(join(folder, "reused"), nobody, join(folder, "another"));
    await endLeftover(join(folder, "reused"));
    expect([used.signalCode, stranger.signalCode]).toEqual([null, null]);
    for (const child of [used, stranger]) child.kill("SIGKILL");
  });
});

describe("the configuration of a node", () => {
  test.each([
    ["OpenBao", ["node.hcl", "openbao.hcl", "seal-static.hcl"]],
    ["Vault", ["node.hcl", "seal-static.hcl", "vault.hcl"]],
  ] as const)("is what is shipped for %s, with places on this machine", async (product, files) => {
    const program = { path: "/nowhere", product, version: "0" };
    const api = new Api("");
    const ports = await choosePorts(3);
    const nodes = ports.map(
      (port, at) =>
        new Server({ program, api, name: `node-${at}`, folder: join(folder, `${product}-${at}`), port }),
    );
    const [first] = nodes;
    if (first === undefined) throw new Error("there are nodes");
    const seal = {
      stanza: "seal-static.hcl",
      places: { "/openbao/seal": join(folder, "seal") },
      environment: {},
    } as const;
    await configureNode(first, nodes, seal, program);
    const config = join(first.folder, "config");
    expect((await readdir(config)).sort()).toEqual(files);
    const text = (await Promise.all(files.map((name) => readFile(join(config, name), "utf8")))).join("\n");
    for (const { address } of nodes) expect(text).toContain(`"${address}"`);
    expect(text).toContain(`address         = "127.0.0.1:${first.port}"`);
    // A place that is not known stops the start.
    await expect(configureNode(first, nodes, { ...seal, places: {} }, program)).rejects.toThrow(
      "/openbao/seal",
    );
    await api.close();
  });
});
