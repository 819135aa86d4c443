import { createServer, type IncomingMessage, type Server } from "node:http";
import { isIP } from "node:net";
import type { Registry } from "prom-client";

/**
 * `/metrics` on a separate listener, because it names tenants. It answers for the address of the connection,
 * for the loopback names and for the names in `hosts`. A page that uses DNS rebinding sends its own name, and
 * is refused. Call `listen` on what it returns.
 */
export function createMetricsServer(registry: Registry, hosts: readonly string[] = []): Server {
  const names = new Set(["localhost", ...hosts.map((host) => host.toLowerCase())]);
  return createServer((request, response) => {
    if (!isExpected(request, names)) {
      response.writeHead(421).end();
      return;
    }
    if (request.method !== "GET" || request.url !== "/metrics") {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { "content-type": registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
}

/** RFC 9110 §7.2: a name or an address, with an optional port. */
const form = /^(?:(?<name>[\w.-]+)|\[(?<address>[\da-f:.]+)\])(?::\d{1,5})?$/i;

function isExpected({ headers, socket }: IncomingMessage, names: ReadonlySet<string>): boolean {
  const { name, address } = form.exec(headers.host ?? "")?.groups ?? {};
  const host = (name ?? address ?? "").toLowerCase();
  if (names.has(host)) return true;
  if (isIP(host) === 0) return false;
  const dialled = (socket.localAddress ?? "").replace(/^::ffff:(?=\d+\.)/, "");
  return host === "::1" || host.startsWith("127.") || host === dialled;
}
