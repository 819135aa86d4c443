import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { IssuedKey } from "../../simulator/control.ts";
import { beginDue, stepDue } from "../../src/credentials/rotation-at-venue/step.ts";
import { type ApiTenant, type ApiWorld, createApiWorld, registerCredential } from "../../testkit/api.ts";
import { addParentKey, addSubKey } from "../../testkit/sub-accounts.ts";

let api: ApiWorld;
let tenant: ApiTenant;

beforeAll(async () => {
  api = await createApiWorld();
  tenant = await api.createTenant();
});
afterAll(() => api.close());

const scheduleOf = (id: string) => `/api/v1/credentials/${id}/rotation/schedule`;

async function registered({ apiKey, apiSecret }: IssuedKey, label: string): Promise<string> {
  const secret = { api_key: apiKey, api_secret: apiSecret };
  return (await registerCredential(tenant.owner, { venue: "bybit", label, secret })).id;
}

async function pair() {
  api.world.simulator.control.reset();
  const parent = await registered(addParentKey(api.world.simulator, "bybit"), "parent");
  return { parent, id: await registered(addSubKey(api.world.simulator, "bybit"), "sub") };
}

const put = (id: string, body: object) => tenant.owner.send("PUT", scheduleOf(id), { body });

describe("a schedule for rotations", () => {
  it("is set, shown and removed, and setting it again takes its place", async () => {
    const { id, parent } = await pair();
    const set = await put(id, { parent_credential_id: parent, every_days: 30 });
    expect([set.status, set.json]).toEqual([
      200,
      {
        credential_id: id,
        parent_credential_id: parent,
        every_days: 30,
        next_at: expect.any(String),
        failures: 0,
        last_failure: null,
        under_way: null,
      },
    ]);
    expect((await put(id, { parent_credential_id: null, every_days: 90 })).json).toMatchObject({
      parent_credential_id: null,
      every_days: 90,
    });
    expect((await tenant.owner.get(scheduleOf(id))).json).toMatchObject({ every_days: 90 });
    expect((await tenant.owner.send("DELETE", scheduleOf(id))).status).toBe(204);
    expect((await tenant.owner.get(scheduleOf(id))).json).toMatchObject({ status: 404, code: "not_found" });
  });

  it("has the key replaced when its time has come, and shows how far that is", async () => {
    const { id, parent } = await pair();
    const now = new Date().toISOString();
    await put(id, { parent_credential_id: parent, every_days: 30, next_at: now });
    await beginDue(api.world.custody);
    const { under_way } = (await tenant.owner.get(scheduleOf(id))).json;
    expect(under_way).toMatchObject({ stage: "creating", note: expect.stringMatching(/^kh[0-9a-z]{18}$/) });
    await stepDue(api.world.custody);
    expect((await tenant.owner.get(scheduleOf(id))).json).toMatchObject({
      under_way: { stage: "overlap" },
    });
    const { rotation } = (await tenant.owner.get(`/api/v1/credentials/${id}/versions`)).json;
    expect(rotation).toMatchObject({ state: "overlap", from_version: 1, to_version: 2 });
    const finished = await tenant.owner.post(`/api/v1/credentials/${id}/rotation/finish`, {});
    expect([finished.status, finished.json["state"]]).toEqual([200, "finished"]);
    expect(api.world.simulator.control.keys("bybit", "desk01")).toHaveLength(1);
  });

  it.each([
    ["no days", { every_days: 0 }, 400, "malformed"],
    ["more than a year", { every_days: 366 }, 400, "malformed"],
    ["a time that is none", { every_days: 1, next_at: "soon" }, 400, "malformed"],
    ["a parent that is nobody's", { every_days: 1, parent_credential_id: randomUUID() }, 404, "not_found"],
  ])("with %s is refused", async (_name, changes, status, code) => {
    const { id } = await pair();
    const answered = await put(id, { parent_credential_id: null, ...changes });
    expect(answered.json).toMatchObject({ status, code });
    expect((await tenant.owner.get(scheduleOf(id))).status).toBe(404);
  });

  it("with a parent is refused where the venue's API makes no keys, with what to do instead", async () => {
    const parent = await registerCredential(tenant.owner, kraken());
    const { id } = await registerCredential(tenant.owner, { ...kraken(), label: "other" });
    const refused = await put(id, { parent_credential_id: parent.id, every_days: 30 });
    expect(refused.json).toMatchObject({
      status: 422,
      code: "unsupported_by_venue",
      detail: expect.stringContaining("reminded"),
    });
    expect((await put(id, { parent_credential_id: null, every_days: 30 })).status).toBe(200);
  });
});

function kraken() {
  const { apiKey, apiSecret } = api.world.simulator.control.addKey("kraken");
  return { venue: "kraken", secret: { api_key: apiKey, api_secret: apiSecret } };
}
