import { randomUUID } from "node:crypto";
import type { Server } from "node:http";
import { BlockList, isIPv6, type Socket } from "node:net";
import { clientOf } from "../access/unauthenticated.ts";
import { errors, KeyholdError } from "../errors.ts";
import { describeProblem, problemType } from "./problems.ts";

/**
 * Limits the open connections of a server: `most` in all, and half of them from one client address. A trusted
 * proxy carries the connections of many clients, so it counts only towards the total.
 */
export function boundConnections(server: Server, most: number, proxies: readonly string[]): void {
  server.maxConnections = most;
  const trusted = networksOf(proxies);
  const open = new Map<string, number>();
  server.on("connection", (socket) => {
    const address = socket.remoteAddress ?? "";
    if (trusted.check(address, isIPv6(address) ? "ipv6" : "ipv4")) return;
    const client = clientOf(address);
    const count = (open.get(client) ?? 0) + 1;
    if (count > Math.ceil(most / 2)) {
      socket.destroy();
      return;
    }
    open.set(client, count);
    socket.once("close", () => {
      const left = (open.get(client) ?? 1) - 1;
      if (left === 0) open.delete(client);
      else open.set(client, left);
    });
  });
}

function networksOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = "", prefix] = network.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

const reasons: Readonly<Record<string, KeyholdError>> = {
  ERR_HTTP_REQUEST_TIMEOUT: new KeyholdError("request_timeout", "Send the whole request within 30 seconds."),
  HPE_HEADER_OVERFLOW: new KeyholdError("too_large", "The headers are longer than this service accepts."),
};
const notHttp = new KeyholdError("malformed", "This is not an HTTP request.");

/** Answers on a connection whose request could not be read, and closes it. */
export function refuseConnection(error: Error & { code?: string }, socket: Socket): void {
  if (socket.destroyed || error.code === "ECONNRESET") return;
  const refusal = reasons[error.code ?? ""] ?? notHttp;
  const body = JSON.stringify(describeProblem(refusal, randomUUID()));
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${refusal.status} ${errors[refusal.code].title}\r\nContent-Type: ${problemType}\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}
