import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { roles, scopes, type Scope } from "../../src/access/permissions.ts";
import { withoutToken } from "../../src/http/permission.ts";
import type { Route } from "../../src/http/route.ts";
import {
  type Answered,
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
} from "../../testkit/api.ts";

let api: ApiWorld;
let tenant: ApiTenant;

beforeAll(async () => {
  api = await createApiWorld();
  tenant = await api.createTenant();
});
afterAll(() => api.close());

/** A request to the route that is of no use: its ids are nobody's and its body is empty. */
async function knock(client: Client, { method, path }: Route): Promise<Answered> {
  const url = path.replaceAll(/:\w+/g, () => randomUUID());
  const body = method === "GET" || method === "DELETE" ? {} : { body: {} };
  return client.send(method, url, { ...body, headers: { "if-match": '"1"' } });
}

function isScope(permission: string): permission is Scope {
  return scopes.some((scope) => scope === permission);
}

const closed = (routes: readonly Route[]): readonly Route[] =>
  routes.filter(({ admission }) => admission.permission !== "public");

describe("every route", () => {
  it("declares who may call it and what the record tells, in words that say something", () => {
    for (const { method, path, admission, audit } of api.routes) {
      const name = `${method} ${path}`;
      expect([...scopes, "platform", "authenticated", "public"], name).toContain(admission.permission);
      if ("none" in audit) expect(audit.none.length, name).toBeGreaterThan(20);
      else expect(audit.length, name).toBeGreaterThan(0);
    }
  });

  it("that changes something has an event, and honours an Idempotency-Key unless it reveals", () => {
    for (const { method, path, audit, idempotency } of api.routes.filter(({ method }) => method !== "GET")) {
      expect("none" in audit, `${method} ${path}`).toBe(false);
      if (!path.endsWith("/reveal")) expect(idempotency, `${method} ${path}`).not.toBe("none");
    }
  });

  it("but the service's own health is closed to those without a token", async () => {
    const open = api.routes.filter(({ admission }) => admission.permission === "public");

    expect(open.map(({ path }) => path)).toEqual(["/health/live", "/health/ready"]);
    for (const route of closed(api.routes)) {
      expect((await knock(api.as(""), route)).status, route.path).toBe(401);
    }
  });

  it("is closed to members whose token lacks its scope, and open to those who have it", async () => {
    for (const route of api.routes) {
      const { permission } = route.admission;
      if (!isScope(permission)) continue;
      const others = scopes.filter((scope) => scope !== permission);
      const without = await tenant.addMember("owner", { scopes: others });
      const alone = await tenant.addMember("owner", { scopes: [permission] });

      expect(await knock(without, route), route.path).toMatchObject({
        status: 403,
        json: { required_scope: permission },
      });
      expect(await knock(alone, route), route.path).not.toMatchObject({
        json: { required_scope: permission },
      });
    }
  });

  it("of a tenant is closed to the operator, and of the operator to every role", async () => {
    const members = await Promise.all(
      [roles.owner, roles.admin].map((_, at) => tenant.addMember(at === 0 ? "owner" : "admin")),
    );
    for (const route of closed(api.routes)) {
      const { permission } = route.admission;
      if (isScope(permission)) expect((await knock(api.operator, route)).status, route.path).toBe(403);
      if (permission !== "platform") continue;
      for (const member of members) expect((await knock(member, route)).status, route.path).toBe(403);
    }
  });

  it("is closed to a scope that is spelled differently, longer or shorter", async () => {
    for (const spelled of [
      "Credentials:Read",
      "credentials:read:all",
      "credentials",
      "credentials:*",
      "*",
      "credentials:read,",
    ]) {
      const member = await tenant.addMember("owner", { scopes: [spelled] });

      expect((await member.get("/api/v1/credentials")).status, spelled).toBe(403);
    }
  });
});

describe("were a route left open", () => {
  it("the walk over all routes would find it", async () => {
    const careless = await api.another({
      routes: (routes) =>
        routes.map((route) =>
          route.path === "/api/v1/accounts" ? { ...route, admission: withoutToken } : route,
        ),
    });
    const answers = await Promise.all(closed(api.routes).map((route) => knock(careless.as(""), route)));

    expect(answers.filter(({ status }) => status !== 401)).toHaveLength(2);
    await careless.close();
  });
});
