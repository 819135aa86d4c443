/** A program that tries, in the place of venue code, to reach what a venue process must not. Its arguments come as a message. */
import childProcess from "node:child_process";
import cluster from "node:cluster";
import dgram from "node:dgram";
import fs from "node:fs";
import http from "node:http";
import inspector from "node:inspector";
import module from "node:module";
import net from "node:net";
import os from "node:os";
import v8 from "node:v8";
import { Worker } from "node:worker_threads";
import { harden } from "../src/venues/process/harden.ts";

export type Probe = Readonly<{
  secret: string;
  scratch: string;
  socket: string;
  hardened: boolean;
  except: readonly string[];
}>;

const settled = (emitter: NodeJS.EventEmitter, event: string): Promise<unknown> =>
  new Promise((resolve, reject) => emitter.once(event, resolve).once("error", reject));
const hidden = (owner: object, name: string, ...args: unknown[]): unknown => {
  const method: unknown = Reflect.get(owner, name);
  if (typeof method !== "function") throw new TypeError(`no ${name}`);
  return Reflect.apply(method, owner, args);
};
const sqlite = async (path: string): Promise<void> => {
  const { DatabaseSync } = await import("node:sqlite");
  using database = new DatabaseSync(path);
  database.exec("create table if not exists t (a)");
};
/** A handle of a socket on a path, made from the one that leads to the parent. */
const pipe = (): object => {
  const [handle] = Object.getOwnPropertySymbols(process.channel ?? {})
    .map((symbol): unknown => Reflect.get(process.channel ?? {}, symbol))
    .filter((value) => typeof value === "object" && value !== null && "readStart" in value);
  const Pipe: unknown =
    typeof handle === "object" && handle !== null ? Reflect.get(handle, "constructor") : null;
  if (typeof Pipe !== "function") throw new TypeError("the channel shows no handle");
  const made: unknown = Reflect.construct(Pipe, [1]);
  if (typeof made !== "object" || made === null) throw new TypeError("no handle was made");
  return made;
};

/** Each must fail in a venue process. */
function attemptsOf({ secret, scratch, socket }: Probe): Readonly<Record<string, () => unknown>> {
  return {
    "reads a key file": () => fs.readFileSync(secret),
    "reads a key file by its bytes": () => fs.readFileSync(Buffer.from(secret)),
    "reads a key file by a URL": () => fs.readFileSync(new URL(`file://${secret}`)),
    "reads a key file as a promise": () => fs.promises.readFile(secret),
    "reads a key file as a blob": async () => (await fs.openAsBlob(secret)).text(),
    "reads a key file as settings": () => process.loadEnvFile(secret),
    "loads a key file as a module": () => module.createRequire("/")(secret),
    "reads its own environment": () => fs.readFileSync("/proc/self/environ"),
    "reads the memory of its parent": () => fs.openSync(`/proc/${process.ppid}/mem`, "r"),
    "lists a folder": () => fs.readdirSync(scratch),
    "lists the sockets of the machine": () => fs.readFileSync("/proc/net/unix"),
    "writes a file": () => fs.writeFileSync(`${scratch}/written`, ""),
    "copies a file": () => fs.cpSync(secret, `${scratch}/copied`),
    "makes a link": () => fs.symlinkSync(secret, `${scratch}/link`),
    "changes its folder": () => process.chdir(scratch),
    "makes a database": () => sqlite(`${scratch}/made.db`),
    "makes a database in memory": () => sqlite(":memory:"),
    "makes a server on a path": () =>
      settled(net.createServer().listen(`${scratch}/server.sock`), "listening"),
    "makes a server on a port": () => settled(net.createServer().listen(0, "127.0.0.1"), "listening"),
    "binds a handle to a path": () => {
      if (hidden(pipe(), "bind", `${scratch}/bound.sock`) !== 0) throw new Error("not bound");
    },
    "connects to a socket on a path": () => settled(net.connect(socket), "connect"),
    "sends a request to a socket on a path": () => settled(http.get({ socketPath: socket }), "response"),
    "sends a datagram": () => {
      const port = dgram.createSocket("udp4");
      return new Promise<void>((resolve, reject) =>
        port.send("x", 9, "127.0.0.1", (error) => (error === null ? resolve() : reject(error))),
      );
    },
    "starts a program": () => childProcess.execFileSync("true"),
    "starts a program in its own place": () => process.execve?.("/bin/true", [], {}),
    "starts a Node": () => childProcess.fork("x.js"),
    "starts a cluster": () => cluster.fork(),
    "starts a thread": () => new Worker("", { eval: true }),
    "loads an addon": () => process.dlopen({ exports: {} }, `${scratch}/x.node`),
    "reaches the inside of Node": () => hidden(process, "binding", "fs"),
    "opens an inspector": () => inspector.open(0),
    "inspects itself": () => new inspector.Session().connect(),
    "writes a report": () => process.report.writeReport(`${scratch}/report.json`),
    "writes a snapshot": () => v8.writeHeapSnapshot(`${scratch}/x.heapsnapshot`),
    "will write a snapshot": () => v8.setHeapSnapshotNearHeapLimit(1),
    "changes flags of the engine": () => v8.setFlagsFromString("--allow-natives-syntax"),
    "signals its parent": () => process.kill(process.ppid, 0),
    "signals its parent in another way": () => {
      if (hidden(process, "_kill", process.ppid, 0) !== 0) throw new Error("not signalled");
    },
    "makes its parent slower": () => os.setPriority(process.ppid, os.getPriority(process.ppid)),
    "becomes another user": () => process.setuid?.(process.getuid?.() ?? 0),
    "makes code of text": () => hidden(globalThis, "eval", "1"),
    "makes a function of text": () => Reflect.construct(Function, ["return 1"]),
    "calls a library of the system": async () => {
      const ffi: object = await import("node:ffi");
      hidden(ffi, "dlopen", "libc.so.6", {});
    },
    "traces itself": async () => {
      const { createTracing } = await import("node:trace_events");
      createTracing({ categories: ["node"] }).enable();
    },
  };
}

process.once("message", (probe: Probe) => void answer(probe));

async function answer(probe: Probe): Promise<void> {
  if (probe.hardened) harden();
  const done: string[] = [];
  const attempts = attemptsOf(probe);
  for (const [name, attempt] of Object.entries(attempts)) {
    if (probe.except.includes(name)) continue;
    try {
      await attempt();
      done.push(name);
    } catch {
      // As it should be.
    }
  }
  process.send?.({ done, all: Object.keys(attempts) });
}
