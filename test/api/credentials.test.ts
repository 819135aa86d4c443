import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiTenant, type ApiWorld, createApiWorld, registerCredential } from "../../testkit/api.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";

const venue = new ScriptedVenue();
let api: ApiWorld;
let tenant: ApiTenant;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
  tenant = await api.createTenant();
});
afterAll(() => api.close());

const at = (id: string): string => `/api/v1/credentials/${id}`;
const ifMatch = (revision: unknown): Record<string, string> => ({ "if-match": `"${String(revision)}"` });

describe("registering a credential", () => {
  it("answers 201 with its metadata, its place and its ETag, and never with its secret", async () => {
    const account = await tenant.owner.post("/api/v1/accounts", { name: "Main" });
    const made = await tenant.owner.post("/api/v1/credentials", {
      account_id: account.json["id"],
      venue: "scripted",
      environment: "live",
      label: "main",
      secret: { api_key: "the-key-itself", api_secret: "the-secret-itself" },
      policy: { allow: ["read", "trade"] },
      expires_at: "2030-01-01T00:00:00+02:00",
    });

    expect(made.status).toBe(201);
    expect(made.json).toMatchObject({
      account_id: account.json["id"],
      label: "main",
      status: "active",
      policy: { allow: ["read", "trade"], reveal: false },
      expires_at: "2029-12-31T22:00:00.000Z",
      revision: 1,
    });
    expect(made.headers).toMatchObject({ location: at(String(made.json["id"])), etag: '"1"' });
    expect(made.text).not.toContain("-itself");
  });

  it("answers 400 where a credential would have ended before it is kept or changed", async () => {
    const account = await tenant.owner.post("/api/v1/accounts", { name: "Ended" });
    const register = (expires_at: string | null) =>
      tenant.owner.post("/api/v1/credentials", {
        account_id: account.json["id"],
        venue: "scripted",
        environment: "live",
        secret: { api_key: `ended-${expires_at}`, api_secret: "b" },
        expires_at,
      });
    const yesterday = new Date(Date.now() - 86_400_000).toISOString();
    const late = await register(yesterday);
    expect(late).toMatchObject({ status: 400, json: { code: "malformed" } });
    expect(late.text).toContain("body.expires_at: is not in the future");
    const kept = await register(null);
    expect(kept.status, "the control").toBe(201);
    const changed = await tenant.owner.send("PATCH", at(String(kept.json["id"])), {
      body: { expires_at: yesterday },
      headers: ifMatch(1),
    });
    expect(changed.status).toBe(400);
  });

  it("answers 400 with the fields that a secret has, and without the name that was sent in place of one", async () => {
    const account = await tenant.owner.post("/api/v1/accounts", { name: "Misnamed" });
    const send = (secret: object) =>
      tenant.owner.post("/api/v1/credentials", {
        account_id: account.json["id"],
        venue: "scripted",
        environment: "live",
        secret,
      });
    const misnamed = await send({ apiKey: "a", api_secret: "b" });
    expect(misnamed).toMatchObject({ status: 400, json: { code: "malformed" } });
    expect(misnamed.text).toContain("body.secret: takes api_key, api_secret, passphrase");
    expect(misnamed.text).not.toContain("apiKey");
    const quoted = await send({ api_key: "'a key'", api_secret: "b" });
    expect(quoted.text).toContain("api_key stands in quotes");
  });

  it("answers 422 with the reason when the venue refuses, and nothing is kept", async () => {
    const account = await tenant.owner.post("/api/v1/accounts", { name: "Refused" });
    venue.verdict = () => ({
      outcome: "rejected",
      reason: "bad_signature",
      message: "The signature does not match.",
    });
    const refused = await tenant.owner.post("/api/v1/credentials", {
      account_id: account.json["id"],
      venue: "scripted",
      environment: "live",
      secret: { api_key: "a", api_secret: "b" },
    });
    venue.verdict = () => valid();

    expect(refused).toMatchObject({ status: 422, json: { code: "venue_rejected", reason: "bad_signature" } });
    expect(
      (await tenant.owner.get(`/api/v1/credentials?account_id=${String(account.json["id"])}`)).json["count"],
    ).toBe(0);
  });

  it("answers 409 for a second one in the same place, and 403 for another member's account", async () => {
    const { account_id } = await registerCredential(tenant.owner);
    const body = {
      account_id,
      venue: "scripted",
      environment: "live",
      secret: { api_key: "a", api_secret: "b" },
    };
    const trader = await tenant.addMember("trader");

    expect((await tenant.owner.post("/api/v1/credentials", body)).json["code"]).toBe("duplicate");
    expect((await trader.post("/api/v1/credentials", { ...body, label: "other" })).status).toBe(403);
  });
});

describe("a change of a credential", () => {
  it("needs the ETag that was read: 428 without, 412 with an older one", async () => {
    const { id } = await registerCredential(tenant.owner);
    const change = { label: "renamed" };
    const without = await tenant.owner.send("PATCH", at(id), { body: change });
    const changed = await tenant.owner.send("PATCH", at(id), { body: change, headers: ifMatch(1) });
    const late = await tenant.owner.send("PATCH", at(id), { body: { label: "again" }, headers: ifMatch(1) });

    expect(without).toMatchObject({ status: 428, json: { code: "precondition_required" } });
    expect(changed).toMatchObject({
      status: 200,
      json: { label: "renamed", revision: 2 },
      headers: { etag: '"2"' },
    });
    expect(late).toMatchObject({ status: 412, json: { code: "stale", revision: 2 } });
  });

  it("of fifty at once goes to one", async () => {
    const { id } = await registerCredential(tenant.owner);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        tenant.owner.send("PATCH", at(id), { body: { label: `label-${index}` }, headers: ifMatch(1) }),
      ),
    );

    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 412)).toHaveLength(49);
  });

  it("replaces the secret with some of its fields", async () => {
    const { id } = await registerCredential(tenant.owner, { policy: { reveal: true } });
    const replaced = await tenant.owner.send("PUT", `${at(id)}/secret`, {
      body: { secret: { api_secret: "another secret" } },
      headers: ifMatch(1),
    });
    const revealed = await tenant.owner.post(`${at(id)}/reveal`, { reason: "test" });

    expect(replaced).toMatchObject({ status: 200, json: { secret: { version: 2 } } });
    expect(revealed.json["secret"]).toEqual({ api_key: "a key", api_secret: "another secret" });
  });

  it("switches it off and on again, with the venue's consent", async () => {
    const { id } = await registerCredential(tenant.owner);
    const off = await tenant.owner.send("PATCH", at(id), { body: { active: false }, headers: ifMatch(1) });
    const used = await tenant.owner.post(`${at(id)}/validate`);
    const on = await tenant.owner.send("PATCH", at(id), {
      body: { active: true },
      headers: ifMatch(off.json["revision"]),
    });

    expect(off.json["status"]).toBe("inactive");
    expect(used).toMatchObject({ status: 400, json: { code: "credential_inactive" } });
    expect(on.json["status"]).toBe("active");
  });

  it("freezes and unfreezes it, with a reason or without", async () => {
    const { id } = await registerCredential(tenant.owner);
    const frozen = await tenant.owner.post(`${at(id)}/freeze`, { reason: "lost laptop" });
    const used = await tenant.owner.post(`${at(id)}/invoke`, { operation: "fetchBalance" });
    await tenant.owner.post(`${at(id)}/unfreeze`);

    expect(frozen.json["frozen"]).toBe(true);
    expect(used.json["code"]).toBe("frozen");
    expect((await tenant.owner.post(`${at(id)}/freeze`)).status).toBe(200);
  });

  it("revokes it once, and removes it for good", async () => {
    const { id } = await registerCredential(tenant.owner);

    expect((await tenant.owner.post(`${at(id)}/revoke`)).json["status"]).toBe("revoked");
    expect((await tenant.owner.post(`${at(id)}/revoke`)).json["code"]).toBe("illegal_state");
    expect(await tenant.owner.send("DELETE", at(id))).toMatchObject({ status: 204, text: "" });
    expect((await tenant.owner.get(at(id))).status).toBe(404);
  });
});

describe("a credential", () => {
  it("of another member is 403, and of another tenant is like none at all", async () => {
    const { id } = await registerCredential(tenant.owner);
    const trader = await tenant.addMember("trader");
    const other = await api.createTenant();
    const foreign = await other.owner.get(at(id));
    const missing = await other.owner.get(at(randomUUID()));
    const withoutInstance = (text: string): string => text.replace(/urn:uuid:[0-9a-f-]+/, "");

    expect((await trader.get(at(id))).status).toBe(403);
    expect(foreign.status).toBe(404);
    expect(withoutInstance(foreign.text)).toBe(withoutInstance(missing.text));
  });

  it("is validated with 200 whatever the venue says", async () => {
    const { id } = await registerCredential(tenant.owner);
    venue.verdict = () => ({ outcome: "timeout", message: "No answer in time." });
    const unknown = await tenant.owner.post(`${at(id)}/validate`);
    venue.verdict = () => valid();
    const known = await tenant.owner.post(`${at(id)}/validate`);

    expect(unknown).toMatchObject({
      status: 200,
      json: { is_valid: null, outcome: "timeout", status: "active" },
    });
    expect(known).toMatchObject({ status: 200, json: { is_valid: true, outcome: "valid" } });
  });

  it("need not be kept to be validated", async () => {
    const secret = { api_key: "a", api_secret: "b" };
    const checked = await tenant.owner.post("/api/v1/credentials/validate", {
      venue: "scripted",
      environment: "live",
      secret,
    });

    expect(checked).toMatchObject({ status: 200, json: { is_valid: true } });
    expect(checked.json).not.toHaveProperty("status");
  });

  it("runs an operation and answers with the result alone", async () => {
    const { id } = await registerCredential(tenant.owner);
    const done = await tenant.owner.post(`${at(id)}/invoke`, { operation: "fetchBalance" });
    const unknown = await tenant.owner.post(`${at(id)}/invoke`, { operation: "fetchMoney" });
    const forbidden = await tenant.owner.post(
      `${at(id)}/invoke`,
      { operation: "cancelOrder", params: { id: "1", symbol: "BTC/USDT" } },
      { "idempotency-key": "cancel" },
    );

    expect(done).toMatchObject({ status: 200, json: { outcome: "done", operation: "fetchBalance" } });
    expect(unknown).toMatchObject({ status: 400, json: { code: "unknown_operation" } });
    expect(forbidden).toMatchObject({ status: 403, json: { code: "policy_forbids" } });
  });
});

describe("a list of credentials", () => {
  it("is cut into pages without a gap or a repetition, newest first", async () => {
    const listed = await api.createTenant();
    const { account_id } = await registerCredential(listed.owner);
    for (let index = 0; index < 6; index += 1) {
      const body = {
        account_id,
        venue: "scripted",
        environment: "live",
        label: `l${index}`,
        secret: { api_key: "a", api_secret: "b" },
      };
      await listed.owner.post("/api/v1/credentials", body);
    }
    const labels: unknown[] = [];
    let cursor = "";
    for (let page = 0; page < 4; page += 1) {
      const { json } = await listed.owner.get(`/api/v1/credentials?limit=3${cursor}`);
      labels.push(...itemsOf(json).map(({ label }) => label));
      const next = json["next_cursor"];
      if (typeof next !== "string") break;
      cursor = `&cursor=${next}`;
    }

    expect(labels).toEqual(["l5", "l4", "l3", "l2", "l1", "l0", "default"]);
  });

  it("has cursors that are good for its tenant and its filter only", async () => {
    const listed = await api.createTenant();
    const { account_id } = await registerCredential(listed.owner);
    await registerCredential(listed.owner);
    const { json } = await listed.owner.get("/api/v1/credentials?limit=1");
    const cursor = String(json["next_cursor"]);

    expect((await listed.owner.get(`/api/v1/credentials?limit=1&cursor=${cursor}`)).status).toBe(200);
    for (const [client, query] of [
      [listed.owner, `account_id=${account_id}&cursor=${cursor}`],
      [listed.owner, `venue=scripted&cursor=${cursor}`],
      [tenant.owner, `cursor=${cursor}`],
    ] as const) {
      expect((await client.get(`/api/v1/credentials?${query}`)).status).toBe(400);
    }
    expect((await listed.owner.get(`/api/v1/accounts?cursor=${cursor}`)).status).toBe(400);
  });

  it("by another member's account is 403, by another tenant's 404", async () => {
    const { account_id } = await registerCredential(tenant.owner);
    const trader = await tenant.addMember("trader");
    const other = await api.createTenant();

    expect((await trader.get(`/api/v1/credentials?account_id=${account_id}`)).status).toBe(403);
    expect((await other.owner.get(`/api/v1/credentials?account_id=${account_id}`)).status).toBe(404);
    expect(
      (await tenant.owner.get(`/api/v1/credentials?account_id=${account_id}&status=active`)).json["count"],
    ).toBe(1);
  });
});

function itemsOf(json: Readonly<Record<string, unknown>>): readonly Readonly<Record<string, unknown>>[] {
  const { items } = json;
  return Array.isArray(items) ? items.map((item: unknown) => Object.assign({}, item)) : [];
}
