import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createBoundedFetch, FetchFailure } from "../../../../src/venues/process/bounded-fetch.ts";
import { type VenuesConfig, venueSettings } from "../../../../src/venues/settings.ts";
import { makeCertificate } from "../../../../testkit/certificate.ts";
import { Loopback } from "../loopback.ts";

let venue: Loopback;

beforeAll(async () => {
  venue = await Loopback.start();
});

beforeEach(() => venue.forget());

afterAll(() => venue[Symbol.asyncDispose]());

const request = (path = "/v1/thing?signature=abc") => ({
  method: "GET",
  url: `https://api.example.com${path}`,
  headers: { "x-key": "k" },
});

function originOf(scheme: string, address: string | AddressInfo | null): string {
  if (address === null || typeof address === "string") throw new TypeError("the server does not listen");
  return `${scheme}://127.0.0.1:${address.port}`;
}

function fetchAt(config: VenuesConfig = {}) {
  const hosts = { example: venue.url };
  const settings = venueSettings({ hosts, ...config });
  const fetch = createBoundedFetch(settings)("example", "live");
  return (path?: string) => fetch(request(path), AbortSignal.timeout(settings.timeoutMs));
}

async function failureOf(answer: Promise<unknown>): Promise<FetchFailure["kind"]> {
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof FetchFailure)) throw error;
    expect(error.message).not.toContain("signature");
    return error.kind;
  }
  throw new Error("expected a failure");
}

describe("the one way out to venues", () => {
  test("brings status, headers and body, and says no more of itself than its name", async () => {
    venue.say({ status: 418, headers: { "x-note": "n" }, body: "tea" });
    const answer = await fetchAt()();
    expect(answer).toMatchObject({ status: 418, body: "tea" });
    expect(answer.headers.get("x-note")).toBe("n");
    expect(venue.received).toMatchObject([
      { method: "GET", url: "/v1/thing?signature=abc", headers: { "user-agent": "keyhold", "x-key": "k" } },
    ]);
  });

  test("ends a request that is never answered", async () => {
    venue.reply(() => {});
    expect(await failureOf(fetchAt({ timeoutMs: 100 })())).toBe("timeout");
  });

  test("ends a body that never ends", async () => {
    venue.reply((_request, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write("x"), 10);
      response.on("close", () => clearInterval(drip));
    });
    expect(await failureOf(fetchAt({ timeoutMs: 300 })())).toBe("timeout");
  });

  test.each([301, 302, 303, 307, 308])("does not follow a redirect with %i", async (status) => {
    venue.say({ status, headers: { location: `${venue.url}/elsewhere` }, body: "" });
    expect(await failureOf(fetchAt()())).toBe("redirect");
    expect(venue.received).toHaveLength(1);
  });

  test("stops reading where the bound is, and not before", async () => {
    const fetch = fetchAt({ maxBodyBytes: 4096 });
    venue.say({ body: "x".repeat(4096) });
    expect((await fetch()).body).toHaveLength(4096);
    venue.say({ body: "x".repeat(4097) });
    expect(await failureOf(fetch())).toBe("too_large");
  });

  test("counts what a compressed body becomes", async () => {
    const bomb = gzipSync(Buffer.alloc(1_000_000));
    expect(bomb.byteLength).toBeLessThan(4096);
    venue.reply((_request, response) => response.writeHead(200, { "content-encoding": "gzip" }).end(bomb));
    expect(await failureOf(fetchAt({ maxBodyBytes: 4096 })())).toBe("too_large");
  });

  test("reads compressed bodies", async () => {
    const body = brotliCompressSync('{"a":1}');
    venue.reply((_request, response) => response.writeHead(200, { "content-encoding": "br" }).end(body));
    expect((await fetchAt()()).body).toBe('{"a":1}');
  });

  test.each([
    ["a refused connection", "http://127.0.0.1:1"],
    ["a name that does not exist", "http://venue.invalid"],
  ])("tells %s from an answer", async (_name, host) => {
    expect(await failureOf(fetchAt({ hosts: { example: host } })())).toBe("network");
  });

  test("tells a reset connection from an answer", async () => {
    venue.reply((_request, response) => response.socket?.destroy());
    expect(await failureOf(fetchAt()())).toBe("network");
  });

  test("gives nothing to a venue whose certificate nobody vouches for", async () => {
    const { certificate: cert, key } = makeCertificate("127.0.0.1");
    const asked: unknown[] = [];
    const server = createTlsServer({ cert, key }, (incoming, response) => {
      asked.push(incoming.url);
      response.end("{}");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = originOf("https", server.address());
    expect(await failureOf(fetchAt({ hosts: { example: host } })())).toBe("network");
    expect(asked).toEqual([]);
    server.close();
  });

  test("keeps a path of the operator's base URL before the venue's own", async () => {
    venue.say({ body: "{}" });
    await fetchAt({ hosts: { example: { live: `${venue.url}/mirror/` } } })("/v1/x?y=1");
    expect(venue.received).toMatchObject([{ url: "/mirror/v1/x?y=1" }]);
  });

  test("goes through the proxy that is set for the venue", async () => {
    venue.say({ body: '{"through":"proxy"}' });
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on("connect", ({ url = "" }, client, head) => {
      tunnels.push(url);
      const [host = "", port] = url.split(":");
      const upstream = connect(Number(port), host, () => {
        client.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        upstream.write(head);
        upstream.pipe(client);
        client.pipe(upstream);
      });
      client.on("error", () => upstream.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const uri = originOf("http", proxy.address());
    const answer = await fetchAt({ proxies: { example: uri } })();
    expect(answer.body).toBe('{"through":"proxy"}');
    expect(tunnels).toEqual([new URL(venue.url).host]);
    await fetchAt({ proxies: { another: uri } })();
    expect(tunnels).toHaveLength(1);
    proxy.closeAllConnections();
    proxy.close();
  });
});
