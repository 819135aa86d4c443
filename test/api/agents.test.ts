import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { scopes } from "../../src/access/permissions.ts";
import { jsonReply } from "../../src/http/answer.ts";
import { holdersOf } from "../../src/http/permission.ts";
import type { Route } from "../../src/http/route.ts";
import {
  type Answered,
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

const venue = new ScriptedVenue();
let api: ApiWorld;
let tenant: ApiTenant;
let agent: Client;
let agentsKey: Client;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
  tenant = await api.createTenant();
  agent = await tenant.addMember("owner", { scopes, agent: true });
  agentsKey = await keyOf(true);
});
afterAll(() => api.close());

async function keyOf(isAgent: boolean): Promise<Client> {
  const made = await tenant.owner.post("/api/v1/api-keys", { name: "bot", agent: isAgent, scopes });
  return api.as(String(made.json["key"]));
}

/** What an agent may send beside GET, each with the reason. Everything else of a tenant is closed to it. */
const open: Readonly<Record<string, string>> = {
  validateSecret: "keeps nothing",
  validateCredential: "the venue's verdict decides, and nothing that is switched off or frozen is opened",
  invokeOperation: "within the policy of the credential, and never a transfer or a withdrawal",
};

const ofTenants = (routes: readonly Route[]): readonly Route[] =>
  routes.filter(({ admission }) => !["public", "authenticated", "platform"].includes(admission.permission));

async function knock(client: Client, { method, path }: Route): Promise<Answered> {
  const url = path.replaceAll(/:\w+/g, () => randomUUID());
  const body = method === "GET" || method === "DELETE" ? {} : { body: {} };
  return client.send(method, url, { ...body, headers: { "if-match": '"1"' } });
}

const closedToAgents = { status: 403, json: { detail: expect.stringContaining("Ask a person") } };

describe("an agent that holds every scope of an owner", () => {
  it("is refused by every route that changes something, with a token and with an API key", async () => {
    const person = await keyOf(false);
    const changing = ofTenants(api.routes).filter(({ effect }) => effect === "changes");
    expect(changing.length).toBeGreaterThan(25);
    for (const route of changing) {
      const name = `${route.method} ${route.path}`;
      expect(await knock(agent, route), name).toMatchObject(closedToAgents);
      expect(await knock(agentsKey, route), name).toMatchObject(closedToAgents);
      expect((await knock(person, route)).status, `${name}, by a person`).not.toBe(403);
    }
  });

  it("can send nothing but reads and what is named here with its reason", () => {
    const sent = ofTenants(api.routes).filter(({ effect }) => effect !== "changes");

    expect(sent.filter(({ method }) => method !== "GET").map(({ operationId }) => operationId)).toEqual(
      expect.arrayContaining(Object.keys(open)),
    );
    for (const { method, operationId, effect } of sent) {
      expect(effect, operationId).toBe(method === "GET" ? "reads" : "uses");
      if (method !== "GET") expect(Object.keys(open)).toContain(operationId);
    }
  });

  it("is left with reading, validating and orders", async () => {
    const me = await agent.get("/api/v1/me");

    expect(me.json["scopes"]).toEqual([
      "tenant:read",
      "members:read",
      "accounts:read",
      "api-keys:read",
      "credentials:read",
      "credentials:validate",
      "credentials:use",
      "credentials:trade",
      "audit:read",
    ]);
  });

  it("places orders, and neither transfers nor withdraws what the policy of the credential allows", async () => {
    const allow = ["read", "trade", "transfer", "withdraw"];
    const { id } = await registerCredential(tenant.owner, { policy: { allow, reveal: true } });
    const invoke = (client: Client, operation: string, params: object) =>
      client.post(
        `/api/v1/credentials/${id}/invoke`,
        { operation, params },
        { "idempotency-key": randomUUID() },
      );
    const order = { symbol: "X/Y", type: "market", side: "buy", amount: "1" };
    const transfer = { code: "USD", amount: "1", fromAccount: "spot", toAccount: "funding" };

    expect((await invoke(agentsKey, "createOrder", order)).status).toBe(200);
    expect(await invoke(agentsKey, "transfer", transfer)).toMatchObject({
      status: 403,
      json: { required_scope: "credentials:transfer" },
    });
    expect((await invoke(tenant.owner, "transfer", transfer)).status, "a person").not.toBe(403);
  });
});

describe("were a route left open to agents", () => {
  it("the walk over all routes would find it", async () => {
    const admission = holdersOf("accounts:read");
    const prepare = () => () => Promise.resolve(jsonReply(200, {}));
    const careless = await api.another({
      routes: (routes) =>
        routes.map((route) =>
          route.operationId === "createAccount" ? { ...route, admission, prepare } : route,
        ),
    });
    const client = careless.as(agent.token);
    const changing = ofTenants(careless.routes).filter(({ effect }) => effect === "changes");
    const answers = await Promise.all(changing.map((route) => knock(client, route)));

    expect(answers.filter(({ status }) => status !== 403)).toHaveLength(1);
    await careless.close();
  });
});
