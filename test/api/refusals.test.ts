import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

let api: ApiWorld;
let tenant: ApiTenant;
let credential: string;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => new ScriptedVenue().in(custody) });
  tenant = await api.createTenant();
  credential = (await registerCredential(tenant.owner, { policy: { allow: ["read", "trade"] } })).id;
});
afterAll(() => api.close());

async function refusals(query = ""): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { json } = await tenant.owner.get(`/api/v1/audit/events?event=access.refused${query}`);
  const items: unknown = json["items"];
  return Array.isArray(items) ? items : [];
}

type Attempt = (path: string) => Promise<readonly [Client, () => Promise<{ status: number }>]>;

const scoped = (scopes: readonly string[]) => tenant.addMember("owner", { scopes });

/** Somebody who may not, and what that member tries. */
const attempts: Readonly<Record<string, readonly [action: string, outcome: string, Attempt]>> = {
  "a reveal without its scope": [
    "revealSecret",
    "scope",
    async (path) => {
      const client = await scoped(["credentials:read", "credentials:use"]);
      return [client, () => client.post(`${path}/reveal`, { reason: "curious" })];
    },
  ],
  "a reveal by an agent": [
    "revealSecret",
    "agent",
    async (path) => {
      const client = await tenant.addMember("owner", { agent: true });
      return [client, () => client.post(`${path}/reveal`, { reason: "curious" })];
    },
  ],
  "a freeze by a viewer": [
    "freezeCredential",
    "scope",
    async (path) => {
      const client = await tenant.addMember("viewer");
      return [client, () => client.post(`${path}/freeze`)];
    },
  ],
  "an order by one who may only read": [
    "invokeOperation",
    "scope",
    async (path) => {
      const client = await scoped(["credentials:use"]);
      const params = { symbol: "X/Y", type: "market", side: "buy", amount: "1" };
      return [
        client,
        () => client.post(`${path}/invoke`, { operation: "createOrder", params }, { "idempotency-key": "a" }),
      ];
    },
  ],
  "a list of webhooks": [
    "listWebhooks",
    "scope",
    async () => {
      const client = await tenant.addMember("trader");
      return [client, () => client.get("/api/v1/webhooks")];
    },
  ],
  "what belongs to the operator": [
    "listTenants",
    "forbidden",
    () => Promise.resolve([tenant.owner, () => tenant.owner.get("/api/v1/tenants")]),
  ],
};

describe("what a member may not do", () => {
  it.each(Object.entries(attempts))("is in the record, once: %s", async (_, [action, outcome, attempt]) => {
    const [, send] = await attempt(`/api/v1/credentials/${credential}`);
    const before = await refusals();
    expect((await send()).status).toBe(403);
    const [newest, ...others] = await refusals();

    expect(others).toHaveLength(before.length);
    expect(newest).toMatchObject({ outcome, detail: { action } });
  });

  it("is found by the credential that it was tried at", async () => {
    const other = (await registerCredential(tenant.owner, { label: "other" })).id;
    const viewer = await tenant.addMember("viewer");
    await viewer.post(`/api/v1/credentials/${other}/reveal`, { reason: "curious" });

    expect(await refusals(`&credential_id=${other}`)).toMatchObject([
      {
        actor_subject: viewer.subject,
        detail: { kind: "credential", id: other, required_scope: "credentials:reveal" },
      },
    ]);
  });

  it("leaves one event where the domain has recorded it already", async () => {
    const trader = await tenant.addMember("trader");
    const before = (await refusals()).length;
    expect((await trader.get(`/api/v1/credentials/${credential}`)).status).toBe(403);

    expect((await refusals()).length).toBe(before + 1);
  });

  it("leaves nothing when it is done after all", async () => {
    const before = (await refusals()).length;
    expect((await tenant.owner.get("/api/v1/webhooks")).status).toBe(200);

    expect((await refusals()).length).toBe(before);
  });

  it("is refused as it was when the unfreezing takes a higher rank", async () => {
    const trader = await tenant.addMember("admin");
    await tenant.owner.post(`/api/v1/credentials/${credential}/freeze`);
    expect((await trader.post(`/api/v1/credentials/${credential}/unfreeze`)).status).toBe(403);

    expect((await refusals())[0]).toMatchObject({ detail: { action: "unfreezeCredential", id: credential } });
  });
});

describe("a search of the record for an event", () => {
  it("that there is not is refused, with the names that are near", async () => {
    for (const [name, near] of [
      ["credential.reveald", "credential.revealed"],
      ["acount.frozen", "account.frozen"],
      ["webhook.create", "webhook.created"],
    ] as const) {
      const { status, json } = await tenant.owner.get(`/api/v1/audit/events?event=${name}`);
      expect({ status, detail: json["detail"] }).toEqual({
        status: 400,
        detail: expect.stringContaining(near),
      });
    }
    const far = await tenant.owner.get("/api/v1/audit/events?event=something.else");
    expect(far).toMatchObject({ status: 400, json: { code: "malformed" } });
    expect(far.json["detail"]).not.toContain("near");
  });

  it("shows by which key of whom it was done", async () => {
    const { json } = await tenant.owner.post("/api/v1/api-keys", {
      name: "night job",
      scopes: ["accounts:write"],
    });
    await api.as(String(json["key"])).post("/api/v1/accounts", { name: "By key" });
    const found = await tenant.owner.get("/api/v1/audit/events?event=account.created&limit=1");

    expect(found.json["items"]).toMatchObject([
      { actor_subject: expect.stringMatching(/^owner-/), actor_api_key: "night job" },
    ]);
    const tasks = await tenant.owner.get("/api/v1/audit/events?limit=200");
    expect(tasks.status).toBe(200);
  });
});
