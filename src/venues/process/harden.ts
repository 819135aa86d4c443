import dgram from "node:dgram";
import { syncBuiltinESMExports } from "node:module";
import net from "node:net";
import os from "node:os";
import v8 from "node:v8";

/**
 * Takes from this process what Node's permission model leaves to it and no venue needs: signals and
 * priorities of other processes, the sockets of this machine's file system, servers, and flags of the engine.
 * To be called before any library is loaded. What is taken cannot be had back: nothing else holds it. Throws
 * where a part is not there, so that a Node that has moved it is noticed.
 */
export function harden(): void {
  for (const name of ["kill", "_kill", "_debugProcess", "_debugEnd", "dlopen", "binding"])
    take(process, name);
  for (const name of ["setuid", "seteuid", "setgid", "setegid", "setgroups", "initgroups"]) {
    if (name in process) take(process, name);
  }
  take(os, "setPriority");
  take(v8, "setFlagsFromString");
  take(net.Server.prototype, "listen");
  for (const name of ["bind", "connect", "send"]) take(dgram.Socket.prototype, name);
  const pipe = prototypeBehind({ path: "/" });
  for (const name of ["bind", "connect", "listen", "open", "fchmod"]) take(pipe, name);
  const tcp = prototypeBehind({ host: "127.0.0.1", port: 1 });
  for (const name of ["bind", "bind6", "listen", "open"]) take(tcp, name);
  syncBuiltinESMExports();
}

/**
 * What all sockets of a kind share, however they are made; it has no name of its own. Nothing is connected
 * to.
 */
function prototypeBehind(target: net.SocketConnectOpts): object {
  const socket = new net.Socket();
  socket.on("error", () => {});
  socket.connect(target);
  const handle: unknown = Reflect.get(socket, "_handle");
  const shared = typeof handle === "object" && handle !== null ? Reflect.getPrototypeOf(handle) : null;
  socket.destroy();
  if (shared === null) throw new TypeError("this Node has no sockets of the known kind");
  return shared;
}

function take(owner: object, name: string): void {
  if (!(name in owner)) throw new TypeError(`this Node has no ${name}`);
  const refuse = (): never => {
    throw new TypeError(`${name} is not for venue code`);
  };
  Object.defineProperty(owner, name, { value: refuse, writable: false, configurable: false });
}
