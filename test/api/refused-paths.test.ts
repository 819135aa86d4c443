import { request } from "node:http";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiWorld, createApiWorld } from "../../testkit/api.ts";

let api: ApiWorld;
let port = 0;
beforeAll(async () => {
  api = await createApiWorld();
  port = Number(new URL(await api.app.listen({ port: 0, host: "127.0.0.1" })).port);
});
afterAll(() => api.close());

type Answer = Readonly<{ status: number; type: string; body: string }>;

/** The path goes out as it is: no library tidies it up. */
function get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port, path, headers, agent: false }, (answer) => {
      const { statusCode: status = 0, headers: told } = answer;
      text(answer).then((body) => resolve({ status, type: String(told["content-type"]), body }), reject);
    });
    sent.on("error", reject).end();
  });
}

/** Without a token, as a scanner asks. */
const hostile: readonly (readonly [string, string])[] = [
  ["one folder up", "/docs/static/%2e%2e/package.json"],
  ["two folders up", "/docs/static/%2e%2e%2f%2e%2e%2fpackage.json"],
  ["up with its dots as they are", "/docs/static/../../package.json"],
  ["up with backslashes", "/docs/static/..%5c..%5cpackage.json"],
  ["up from the folder itself", "/docs/static/%2e/%2e%2e/x"],
  ["a hidden file", "/docs/static/.env"],
  ["a byte of zero", "/docs/static/%00"],
  ["a file with a byte of zero", "/docs/static/index.html%00.js"],
  ["dots of two bytes", "/docs/static/%c0%ae%c0%ae/x"],
  ["a percent sign alone", "/docs/static/%"],
  ["letters that are no number", "/docs/static/%zz"],
  ["up to another route", "/docs/%2e%2e/openapi.json"],
  ["a byte of zero in the API", "/api/v1/%00"],
  ["a long name of a file", `/docs/static/${"a".repeat(5000)}`],
  ["a long id", `/api/v1/credentials/${"a".repeat(3000)}`],
];

describe("a path that no one may read", () => {
  it.each(hostile)(
    "is refused as the caller's fault, and no stack is written for it: %s",
    async (_, path) => {
      const before = api.log().length;
      const { status, type, body } = await get(path);
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(type).toContain("application/problem+json");
      expect(JSON.parse(body)).toMatchObject({ status });
      const written = api.log().slice(before);
      expect(written).not.toContain("stack");
      expect(written).not.toContain('"level":"error"');
    },
  );

  it.each([
    ["a range that no file has", { range: "bytes=99999999-" }],
    ["a condition that does not hold", { "if-match": '"no such version"' }],
    ["a date that is past", { "if-unmodified-since": "Mon, 01 Jan 1990 00:00:00 GMT" }],
  ])("is not made ours by headers either: %s", async (_, headers) => {
    expect((await get("/docs/static/index.css", headers)).status).toBeLessThan(500);
  });

  it("has a control: a file that is there is read", async () => {
    expect((await get("/docs/static/index.css")).status).toBe(200);
  });
});
