import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { securityHeaders } from "../../src/http/answer.ts";
import { type ApiTenant, type ApiWorld, createApiWorld } from "../../testkit/api.ts";

let api: ApiWorld;
let tenant: ApiTenant;

beforeAll(async () => {
  api = await createApiWorld();
  tenant = await api.createTenant();
});
afterAll(() => api.close());

describe("what a browser is told", () => {
  it("stands in every answer: of a route, of a refusal, of an error, of a path that is nobody's", async () => {
    const answers = [
      await tenant.owner.get("/api/v1/me"),
      await api.as("").get("/api/v1/me"),
      await tenant.owner.send("POST", "/api/v1/credentials", { body: {} }),
      await tenant.owner.get("/nowhere"),
      await api.as("").get("/health/live"),
    ];

    expect(answers.map(({ status }) => status)).toEqual([200, 401, 400, 404, 200]);
    for (const { headers } of answers) expect(headers).toMatchObject(securityHeaders);
  });

  it("but the page of the documentation may run its own scripts and style itself", async () => {
    const page = await api.as("").get("/docs/");

    expect(page.headers).toMatchObject({
      ...securityHeaders,
      "content-security-policy": expect.stringMatching(/^default-src 'none'; script-src 'self';/),
    });
  });
});
