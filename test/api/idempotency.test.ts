import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ApiTenant, type ApiWorld, createApiWorld, registerCredential } from "../../testkit/api.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";

const canary = "canary-0f5e";
const venue = new ScriptedVenue();
let api: ApiWorld;
let tenant: ApiTenant;
let accountId: string;
let keys = 0;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
  tenant = await api.createTenant();
  accountId = (await registerCredential(tenant.owner)).account_id;
});
afterAll(() => api.close());

const nextKey = (): Record<string, string> => ({ "idempotency-key": `key-${(keys += 1)}` });

function registration(label: string): object {
  const secret = { api_key: canary, api_secret: canary };
  return { account_id: accountId, venue: "scripted", environment: "live", label, secret };
}

const register = (label: string, headers: Record<string, string>, client = tenant.owner) =>
  client.post("/api/v1/credentials", registration(label), headers);

/** Makes what is stored look older than it is. */
async function age(key: string, interval: string): Promise<void> {
  await sql`update idempotency_keys set created_at = created_at - ${interval}::interval where key = ${key}`.execute(
    api.world.database.owner,
  );
}

describe("a write under an Idempotency-Key", () => {
  it("is done once and answered twice", async () => {
    const key = nextKey();
    const first = await register("once", key);
    const inspected = venue.inspections;
    const again = await register("once", key);

    expect(first.status).toBe(201);
    expect(again).toMatchObject({ status: 201, json: first.json });
    expect(again.headers).toMatchObject({ "idempotency-replayed": "true", etag: first.headers["etag"] });
    expect(venue.inspections).toBe(inspected);
  });

  it("is done once when many arrive together", async () => {
    const key = nextKey();
    const another = await api.another();
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        register("together", key, (at % 2 === 0 ? api : another).as(tenant.owner.token)),
      ),
    );
    const statuses = answers.map(({ status, json }) => (status === 409 ? json["code"] : status));

    expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(1);
    expect(statuses.every((status) => status === 201 || status === "idempotency_in_flight")).toBe(true);
    expect((await tenant.owner.get("/api/v1/credentials?label=together")).json["count"]).toBe(1);
    await another.close();
  });

  it("is refused when it is another request", async () => {
    const key = nextKey();
    await register("first", key);

    expect(await register("second", key)).toMatchObject({
      status: 422,
      json: { code: "idempotency_mismatch" },
    });
  });

  it("is the caller's own: another member and another tenant have keys of their own", async () => {
    const key = nextKey();
    const member = await tenant.addMember("admin");
    const other = await api.createTenant();
    const name = { name: "Mine" };
    const made = [
      await tenant.owner.post("/api/v1/accounts", name, key),
      await member.post("/api/v1/accounts", name, key),
      await other.owner.post("/api/v1/accounts", name, key),
    ];

    expect(made.map(({ status }) => status)).toEqual([201, 201, 201]);
    expect(new Set(made.map(({ json }) => json["id"])).size).toBe(3);
  });

  it("belongs to its route and to the thing it changes", async () => {
    const key = nextKey();
    const account = await tenant.owner.post("/api/v1/accounts", { name: "A" }, key);
    const path = `/api/v1/accounts/${String(account.json["id"])}`;

    expect((await tenant.owner.post(`${path}/freeze`, undefined, key)).status).toBe(200);
    expect(
      (await tenant.owner.post(`/api/v1/accounts/${accountId}/freeze`, undefined, key)).json["code"],
    ).toBe("idempotency_mismatch");
  });

  it("may be sent again when it failed: nothing was done", async () => {
    const key = nextKey();
    venue.verdict = () => ({ outcome: "venue_unavailable", message: "The venue does not answer." });
    const failed = await register("later", key);
    venue.verdict = () => valid();

    expect(failed.status).toBe(503);
    expect((await register("later", key)).status).toBe(201);
  });

  it("is honoured for the operator too", async () => {
    const key = nextKey();
    const body = { name: "Once", owner: { issuer: "urn:keyhold:local", subject: "x" } };
    const first = await api.operator.post("/api/v1/tenants", body, key);
    const again = await api.operator.post("/api/v1/tenants", body, key);
    const changed = await api.operator.post("/api/v1/tenants", { ...body, name: "Other" }, key);

    expect(again.json).toEqual(first.json);
    expect(changed.json["code"]).toBe("idempotency_mismatch");
  });

  it("has no body where the first answer had none", async () => {
    const key = nextKey();
    const { id } = await registerCredential(tenant.owner);
    const first = await tenant.owner.send("DELETE", `/api/v1/credentials/${id}`, { headers: key });
    const again = await tenant.owner.send("DELETE", `/api/v1/credentials/${id}`, { headers: key });

    expect([first.status, again.status]).toEqual([204, 204]);
    expect(again.text).toBe("");
  });
});

describe("what is kept of it", () => {
  it("is not the secret, and of the request only what no other tenant's request would leave", async () => {
    const key = nextKey();
    const other = await api.createTenant();
    await register("kept", key);
    for (const { owner } of [tenant, other]) await owner.post("/api/v1/accounts", { name: "Same" }, key);
    const { rows } = await sql<{ text: string; mac: string }>`
      select t::text as text, encode(request_mac, 'hex') as mac from idempotency_keys t
      where key = ${key["idempotency-key"]}`.execute(api.world.database.owner);

    expect(rows.map(({ text }) => text).join()).not.toContain(canary);
    expect(rows.length).toBe(3);
    expect(new Set(rows.map(({ mac }) => mac)).size).toBe(3);
  });

  it("is forgotten after a day", async () => {
    const key = nextKey();
    const first = await tenant.owner.post("/api/v1/accounts", { name: "Day" }, key);
    await age(key["idempotency-key"] ?? "", "25 hours");
    const next = await tenant.owner.post("/api/v1/accounts", { name: "Next day" }, key);

    expect(next.status).toBe(201);
    expect(next.json["id"]).not.toBe(first.json["id"]);
  });

  it("is removed when its tenant next writes", async () => {
    const key = nextKey();
    await tenant.owner.post("/api/v1/accounts", { name: "Old" }, key);
    await age(key["idempotency-key"] ?? "", "25 hours");
    const another = await api.another();
    await another.as(tenant.owner.token).post("/api/v1/accounts", { name: "New" }, nextKey());
    const { rows } = await sql`select from idempotency_keys where key = ${key["idempotency-key"]}`.execute(
      api.world.database.owner,
    );

    expect(rows).toHaveLength(0);
    await another.close();
  });

  it("does not stand in the way when the process of the first request died", async () => {
    const key = nextKey();
    const stuck = key["idempotency-key"] ?? "";
    await tenant.owner.post("/api/v1/accounts", { name: "Dead" }, key);
    await sql`update idempotency_keys set state = 'running', status = null, body = null where key = ${stuck}`.execute(
      api.world.database.owner,
    );
    const early = await tenant.owner.post("/api/v1/accounts", { name: "Dead" }, key);
    await age(stuck, "3 minutes");
    const late = await tenant.owner.post("/api/v1/accounts", { name: "Dead" }, key);

    expect(early.json["code"]).toBe("idempotency_in_flight");
    expect(late.status).toBe(201);
  });
});

describe("a request that takes so long that its repeat is run", () => {
  it("commits once: what the first commit answered is the answer", async () => {
    const { id } = await registerCredential(tenant.owner, { label: "slow" });
    const key = nextKey();
    const validate = () => tenant.owner.post(`/api/v1/credentials/${id}/validate`, undefined, key);
    const asked = Promise.withResolvers<undefined>();
    const release = Promise.withResolvers<undefined>();
    venue.verdict = async () => {
      asked.resolve(undefined);
      await release.promise;
      return valid();
    };
    const slow = validate();
    await asked.promise;
    venue.verdict = () => valid();
    await age(key["idempotency-key"] ?? "", "3 minutes");
    const repeat = await validate();
    release.resolve(undefined);

    expect(repeat.status).toBe(200);
    expect(await slow).toMatchObject({ status: 409, json: { code: "idempotency_in_flight" } });
    expect((await validate()).headers).toHaveProperty("idempotency-replayed");
    const events = await tenant.owner.get(
      `/api/v1/audit/events?credential_id=${id}&event=credential.validated`,
    );
    expect(events.json["count"]).toBe(1);
  });
});

describe("an operation that can move money", () => {
  it("needs an Idempotency-Key, and is sent to the venue once however often it is asked for", async () => {
    const { id } = await registerCredential(tenant.owner, { policy: { allow: ["read", "trade"] } });
    const order = {
      operation: "createOrder",
      params: { symbol: "BTC/USDT", type: "market", side: "buy", amount: "0.01" },
    };
    const path = `/api/v1/credentials/${id}/invoke`;
    const without = await tenant.owner.post(path, order);
    const key = nextKey();
    const before = venue.invocations;
    const first = await tenant.owner.post(path, order, key);
    const again = await tenant.owner.post(path, order, key);

    expect(without).toMatchObject({ status: 400, json: { code: "idempotency_key_required" } });
    expect(again.json).toEqual(first.json);
    expect(venue.invocations - before).toBe(1);
  });
});
