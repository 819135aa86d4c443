import { request } from "node:http";
import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createMetricsServer } from "../../../src/http/metrics-server.ts";
import { listen } from "../../../testkit/token-forge.ts";

const registry = new Registry();
const server = createMetricsServer(registry, ["Metrics.Internal.example"]);
let url: string;

beforeAll(async () => {
  url = await listen(server);
});
afterAll(() => server.close());

it("the metrics are on their own listener, and nothing else is", async () => {
  const metrics = await fetch(`${url}/metrics`);
  const others = await Promise.all([
    fetch(url),
    fetch(`${url}/metrics`, { method: "POST" }),
    fetch(`${url}/api/v1/me`),
  ]);

  expect([metrics.status, metrics.headers.get("content-type")]).toEqual([200, registry.contentType]);
  expect(others.map(({ status }) => status)).toEqual([404, 404, 404]);
});

function statusUnder(host: string | null): Promise<number> {
  const { hostname, port } = new URL(url);
  const headers = host === null ? {} : { host };
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path: "/metrics", headers, setHost: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    sent.on("error", reject).end();
  });
}

it.each([
  "localhost",
  "LOCALHOST:7071",
  "127.0.0.1",
  "127.0.0.1:9",
  "127.8.9.1",
  "[::1]:7071",
  "metrics.internal.example:7071",
])("they are shown to a page or program that asks for %s", async (host) => {
  expect(await statusUnder(host)).toBe(200);
});

it.each([
  "rebound.example",
  "rebound.example:7071",
  "127.0.0.1.rebound.example",
  "localhost.rebound.example",
  "203.0.113.7:7071",
  "[2001:db8::7]",
  "x@127.0.0.1",
  "rebound.example/@127.0.0.1",
  "127.0.0.1#.rebound.example",
  "127.0.0.1, rebound.example",
  "",
])("they are not shown to a page whose name was made to lead here: %s", async (host) => {
  expect([400, 421]).toContain(await statusUnder(host));
});

it("they are not shown to a request that names no host", async () => {
  expect([400, 421]).toContain(await statusUnder(null));
});

it("a failure to count them is told without a word of why", async () => {
  registry.metrics = () => Promise.reject(new Error("canary"));
  const failed = await fetch(`${url}/metrics`);

  expect([failed.status, await failed.text()]).toEqual([500, ""]);
});
