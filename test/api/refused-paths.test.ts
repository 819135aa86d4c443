import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiWorld, createApiWorld } from "../support/api.ts";

let api: ApiWorld;
beforeAll(async () => {
  api = await createApiWorld();
});
afterAll(() => api.close());

/** Without a token, as a scanner asks. */
const hostile = [
  "/docs/static/%2e%2e/package.json",
  "/docs/static/%2e%2e%2f%2e%2e%2fpackage.json",
  "/docs/static/..%5c..%5cpackage.json",
  "/docs/static/%2e/%2e%2e/x",
  "/docs/static/.env",
  "/docs/static/%00",
  "/docs/static/index.html%00.js",
  "/docs/static/%c0%ae%c0%ae/x",
  "/docs/static/%",
  "/docs/static/%zz",
  "/docs/%2e%2e/openapi.json",
  "/api/v1/%00",
  `/docs/static/${"a".repeat(5000)}`,
  `/api/v1/credentials/${"a".repeat(3000)}`,
];

describe("a path that no one may read", () => {
  it.each(hostile)("%s is refused as the caller's fault, and no stack is written for it", async (url) => {
    const before = api.log().length;
    const answer = await api.app.inject({ method: "GET", url });
    expect(answer.statusCode).toBeGreaterThanOrEqual(400);
    expect(answer.statusCode).toBeLessThan(500);
    expect(answer.json()).toMatchObject({ status: answer.statusCode });
    expect(answer.headers["content-type"]).toContain("application/problem+json");
    const written = api.log().slice(before);
    expect(written).toContain(`"status":${answer.statusCode}`);
    expect(written).not.toContain("stack");
    expect(written).not.toContain('"level":"error"');
  });

  it.each([
    ["a range that no file has", { range: "bytes=99999999-" }, "/docs/static/index.css"],
    ["a condition that does not hold", { "if-match": '"no such version"' }, "/docs/static/index.css"],
    ["a condition that is no date", { "if-unmodified-since": "1 Jan 1990" }, "/docs/static/index.css"],
  ])("keeps the status of %s", async (_, headers, url) => {
    const { statusCode } = await api.app.inject({ method: "GET", url, headers });
    expect(statusCode).toBeLessThan(500);
  });

  it("has a control: a file that is there is read", async () => {
    expect((await api.app.inject({ method: "GET", url: "/docs/static/index.css" })).statusCode).toBe(200);
  });
});
