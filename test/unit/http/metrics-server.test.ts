import { Registry } from "prom-client";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createMetricsServer } from "../../../src/http/metrics-server.ts";
import { listen } from "../../support/token-forge.ts";

const registry = new Registry();
const server = createMetricsServer(registry);
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

it("a failure to count them is told without a word of why", async () => {
  registry.metrics = () => Promise.reject(new Error("canary"));
  const failed = await fetch(`${url}/metrics`);

  expect([failed.status, await failed.text()]).toEqual([500, ""]);
});
