import type { Server } from "node:http";
import { BlockList, isIPv6 } from "node:net";
import { clientOf } from "../access/strangers.ts";

/**
 * Bounds the open connections of a server: `most` in all, half of them from one client address. Proxies that are trusted bring the
 * connections of many clients and are counted in the sum alone.
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
