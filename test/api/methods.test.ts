import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { type ApiWorld, createApiWorld } from "../../testkit/api.ts";

let api: ApiWorld;
let port: number;

beforeAll(async () => {
  api = await createApiWorld();
  await api.app.listen({ port: 0, host: "127.0.0.1" });
  port = z.object({ port: z.number() }).parse(api.app.server.address()).port;
});
afterAll(() => api.close());

type Answer = Readonly<{ status: number; allow: string | undefined; code: unknown }>;

function send(method: string, path: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({
      port,
      method,
      path,
      ...(body === undefined ? {} : { headers: { "content-type": "text/plain" } }),
    });
    sent.once("error", reject);
    sent.once("response", (response) => {
      const pieces: Buffer[] = [];
      response.on("data", (piece: Buffer) => pieces.push(piece));
      response.once("end", () => {
        const text = Buffer.concat(pieces).toString();
        const code: unknown = text === "" ? null : z.looseObject({}).parse(JSON.parse(text))["code"];
        resolve({ status: response.statusCode ?? 0, allow: response.headers.allow, code });
      });
    });
    sent.end(body);
  });
}

const id = "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33";

describe("a method that a path does not have", () => {
  it.each([
    ["QUERY", "/api/v1/accounts", "POST, GET"],
    ["PUT", "/api/v1/members", "POST, GET"],
    ["PATCH", `/api/v1/credentials/${id}/reveal`, "POST"],
    ["POST", `/api/v1/credentials/${id}/versions?limit=1`, "GET"],
    ["OPTIONS", "/api/v1/me", "GET"],
    ["PURGE", "/health/live", "GET"],
    ["PROPFIND", `/api/v1/webhooks/${id}`, "GET, PATCH, DELETE"],
    ["TRACE", "/api/v1/tenant", "GET, PATCH"],
    ["DELETE", "/openapi.json", "GET"],
  ])("is answered with 405 and those that it has, to anybody: %s %s", async (method, path, allow) => {
    const answer = await send(method, path);
    expect(answer).toMatchObject({ status: 405, code: "method_not_allowed" });
    expect(answer.allow?.split(", ").toSorted()).toEqual(allow.split(", ").toSorted());
  });

  it("is answered so whatever body comes with it", async () => {
    expect(await send("QUERY", "/api/v1/audit/events", "x".repeat(50))).toMatchObject({ status: 405 });
    expect(await send("REPORT", "/api/v1/health", "{")).toMatchObject({ status: 405 });
  });

  it("is one of those that no path has: HEAD has no body", async () => {
    expect(await send("HEAD", "/api/v1/accounts")).toMatchObject({ status: 405, code: null });
  });
});

describe("a path that there is not", () => {
  it.each(["GET", "POST", "QUERY", "MKCOL", "DELETE"])("is 404 for %s", async (method) => {
    expect(await send(method, "/api/v1/nothing")).toMatchObject({ status: 404, allow: undefined });
    expect(await send(method, `/api/v1/credentials/${id}/nothing`)).toMatchObject({ status: 404 });
  });
});

it("a method that a path has is not refused", async () => {
  expect(await send("GET", "/health/live")).toMatchObject({ status: 200 });
  expect(await send("POST", "/api/v1/accounts")).toMatchObject({ status: 401 });
});
