import { randomUUID } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { Deliveries } from "../../src/jobs/deliver-webhooks.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createGuard, type Guard } from "../../src/webhooks/guard.ts";
import {
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { leaksIn } from "../../testkit/leaks.ts";
import { Receiver } from "../../testkit/receiver.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

let api: ApiWorld;
let tenant: ApiTenant;
let receiver: Receiver;
let guard: Guard;
let deliveries: Deliveries;

const path = "/api/v1/webhooks";
const venue = new ScriptedVenue();

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
  receiver = await Receiver.start();
  guard = createGuard({ networks: ["127.0.0.1"] });
  const { db, dataKeys } = api.world.custody;
  const webhooks = { db, dataKeys, guard };
  deliveries = new Deliveries(
    { webhooks, log: createLog("silent"), metrics: api.metrics },
    { everyMs: 3_600_000 },
  );
  tenant = await api.createTenant();
});
afterAll(async () => {
  await deliveries.stop();
  await guard.close();
  await receiver.close();
  await api.close();
});

const created = z.looseObject({ id: z.string(), secret: z.string(), revision: z.number() });
const page = z.looseObject({
  items: z.array(z.looseObject({ id: z.string() })),
  next_cursor: z.string().nullable(),
});

async function create(client: Client = tenant.owner, body: object = {}): Promise<z.output<typeof created>> {
  const answered = await client.post(path, { url: receiver.url, ...body });
  expect(answered.status, answered.text).toBe(201);
  return created.parse(answered.json);
}

describe("a webhook over HTTP", () => {
  it("lives from its creation to its removal", async () => {
    const { id, secret } = await create(tenant.owner, {
      events: ["credential.registered"],
      description: "desk",
    });
    const shown = await tenant.owner.get(`${path}/${id}`);
    expect(shown.headers["etag"]).toBe('"1"');
    expect(shown.json).toMatchObject({
      url: receiver.url,
      description: "desk",
      events: ["credential.registered"],
      status: "active",
      disabled_reason: null,
    });
    expect(shown.text).not.toContain(secret.slice(6));

    expect((await tenant.owner.send("PATCH", `${path}/${id}`, { body: {} })).status).toBe(428);
    const patch = (etag: string) =>
      tenant.owner.send("PATCH", `${path}/${id}`, {
        body: { status: "disabled" },
        headers: { "if-match": etag },
      });
    expect(await patch('"7"')).toMatchObject({ status: 412, json: { code: "stale", revision: 1 } });
    expect(await patch('"1"')).toMatchObject({
      status: 200,
      json: { status: "disabled", disabled_reason: "member" },
    });
    expect(await tenant.owner.post(`${path}/${id}/test`)).toMatchObject({
      status: 409,
      json: { code: "illegal_state" },
    });

    expect((await tenant.owner.send("DELETE", `${path}/${id}`)).status).toBe(204);
    expect((await tenant.owner.get(`${path}/${id}`)).status).toBe(404);
  });

  it("is told of a credential, signed so that the receiver can tell, and the log of deliveries shows it", async () => {
    const { id, secret } = await create();
    const credential = await registerCredential(tenant.owner);
    await deliveries.drain();
    const message = receiver.messages.find(({ data }) => data["credential_id"] === credential.id);
    expect(new Webhook(secret).verify(message?.payload ?? "", { ...message?.headers })).toEqual({
      type: "credential.registered",
      timestamp: expect.any(String),
      data: { tenant_id: tenant.id, credential_id: credential.id, venue: "scripted", environment: "live" },
    });

    const listed = page.parse(
      (await tenant.owner.get(`${path}/deliveries?endpoint_id=${id}&state=delivered`)).json,
    );
    expect(listed.items).toMatchObject([
      { message_id: message?.id, state: "delivered", outcome: "delivered" },
    ]);
    const delivery = `${path}/deliveries/${listed.items[0]?.id}`;
    expect((await tenant.owner.get(delivery)).json).toMatchObject({
      payload: message?.payload,
      log: [{ number: 1, outcome: "delivered", status: 204 }],
    });
    expect((await tenant.owner.post(`${delivery}/replay`)).status).toBe(202);
    await deliveries.drain();
    expect(receiver.ids.get(message?.id ?? "")).toBe(2);
    await tenant.owner.send("DELETE", `${path}/${id}`);
  });

  it("shows a secret once: a repeated request is answered without it, and the store of answers has none", async () => {
    const key = { "idempotency-key": randomUUID() };
    const first = await tenant.owner.post(path, { url: receiver.url }, key);
    const again = await tenant.owner.post(path, { url: receiver.url }, key);
    const { id, secret } = created.parse(first.json);
    expect(again.json).toEqual({
      ...first.json,
      secret: null,
      advice: expect.stringContaining("rotate-secret"),
    });
    const rotate = () =>
      tenant.owner.post(`${path}/${id}/rotate-secret`, {}, { "if-match": '"1"', "idempotency-key": id });
    const rotated = created.parse((await rotate()).json);
    expect((await rotate()).json).toEqual({ ...rotated, secret: null, advice: expect.any(String) });
    expect(rotated).toMatchObject({ previous_secret_until: expect.any(String), revision: 2 });

    const secrets = [secret, rotated.secret].map((text) => text.slice(6));
    expect(new Set(secrets).size).toBe(2);
    const { rows } = await api.world.database.ownerPool.query("select * from idempotency_keys");
    const kept = Buffer.from(JSON.stringify(rows) + api.log());
    expect(leaksIn(kept, secrets)).toEqual([]);
    expect(leaksIn(kept, [id]), "the control: what else the answer had is there").toContain("raw");
    await tenant.owner.send("DELETE", `${path}/${id}`);
  });

  it.each([
    ["a private address", { url: "https://10.0.0.1/" }],
    ["this machine by another name", { url: "https://2130706434/" }],
    ["a port of something else", { url: "https://93.184.215.14:22/" }],
    ["a password", { url: "https://a:b@93.184.215.14/" }],
    ["no URL", { url: "hooks" }],
    ["an event that there is not", { url: "https://93.184.215.14/", events: ["credential.used"] }],
    ["a field that there is not", { url: "https://93.184.215.14/", secret: "mine" }],
  ])("is not made with %s", async (_, body) => {
    expect(await tenant.owner.post(path, body)).toMatchObject({ status: 400, json: { code: "malformed" } });
  });

  it("of another tenant is answered like one that there is not, on every route and byte by byte", async () => {
    const stranger = await api.createTenant();
    const { id } = await create(stranger.owner);
    const tested = await stranger.owner.post(`${path}/${id}/test`);
    expect(tested.status).toBe(202);
    const headers = { "if-match": '"1"' };
    const attempts = (endpoint: string, delivery: string) =>
      Promise.all([
        tenant.owner.get(`${path}/${endpoint}`),
        tenant.owner.send("PATCH", `${path}/${endpoint}`, { body: { status: "disabled" }, headers }),
        tenant.owner.send("DELETE", `${path}/${endpoint}`),
        tenant.owner.post(`${path}/${endpoint}/rotate-secret`, {}, headers),
        tenant.owner.post(`${path}/${endpoint}/test`),
        tenant.owner.get(`${path}/deliveries/${delivery}`),
        tenant.owner.post(`${path}/deliveries/${delivery}/replay`),
      ]);
    const bodies = (answers: Awaited<ReturnType<typeof attempts>>) =>
      answers.map(({ status, text }) => [status, text.replaceAll(/"instance":"[^"]*"/g, "")]);
    const foreign = await attempts(id, String(tested.json["id"]));
    expect(foreign.map(({ status }) => status)).toEqual([404, 404, 404, 404, 404, 404, 404]);
    expect(bodies(foreign)).toEqual(bodies(await attempts(randomUUID(), randomUUID())));
    expect((await stranger.owner.get(`${path}/${id}`)).json).toMatchObject({ status: "active", revision: 1 });
    const cursorOf = async (client: Client): Promise<string> => {
      await create(client);
      await create(client);
      return page.parse((await client.get(`${path}?limit=1`)).json).next_cursor ?? "";
    };
    expect((await tenant.owner.get(`${path}?cursor=${await cursorOf(stranger.owner)}`)).status).toBe(400);
    expect((await tenant.owner.get(`${path}?cursor=${await cursorOf(tenant.owner)}`)).status).toBe(200);
  });

  it("is written by owners and administrators alone, read by auditors too, and never by an agent", async () => {
    const { id } = await create();
    const statuses = async (client: Client) => [
      (await client.get(path)).status,
      (await client.get(`${path}/deliveries`)).status,
      (await client.post(`${path}/${id}/test`)).status,
    ];
    expect(await statuses(await tenant.addMember("admin"))).toEqual([200, 200, 202]);
    expect(await statuses(await tenant.addMember("auditor"))).toEqual([200, 200, 403]);
    for (const role of ["trader", "viewer"] as const) {
      expect(await statuses(await tenant.addMember(role)), role).toEqual([403, 403, 403]);
    }
    expect(await statuses(await tenant.addMember("owner", { agent: true }))).toEqual([403, 403, 403]);
  });
});
