import { randomUUID } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type Answered,
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";

const venue = new ScriptedVenue();
let api: ApiWorld;
let tenant: ApiTenant;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
  tenant = await api.createTenant();
});
afterAll(() => api.close());
beforeEach(() => {
  venue.verdict = () => valid();
});

const at = (id: string): string => `/api/v1/credentials/${id}`;
const ifMatch = (revision: unknown): Record<string, string> => ({ "if-match": `"${String(revision)}"` });
const fresh = { api_key: "a new key", api_secret: "a new secret" };

type Asked = Readonly<{ client?: Client; revision?: number | null; headers?: Record<string, string> }>;

/** From revision 1 unless another is named; with `null` no `If-Match` is sent. */
function rotate(id: string, body: object = {}, asked: Asked = {}): Promise<Answered> {
  const { client = tenant.owner, revision = 1, headers = {} } = asked;
  const precondition = revision === null ? {} : ifMatch(revision);
  return client.post(`${at(id)}/rotate`, { secret: fresh, ...body }, { ...precondition, ...headers });
}

async function registered(): Promise<string> {
  const { id } = await registerCredential(tenant.owner, {
    policy: { allow: ["read"], reveal: true },
    secret: { api_key: "the old key", api_secret: "the old secret" },
  });
  return id;
}

async function keyInForce(id: string): Promise<unknown> {
  const revealed = await tenant.owner.post(`${at(id)}/reveal`, { reason: "a test" });
  return Object.assign({ api_key: revealed.text }, revealed.json["secret"]).api_key;
}

async function versionsOf(id: string): Promise<unknown> {
  const { items } = (await tenant.owner.get(`${at(id)}/versions`)).json;
  if (!Array.isArray(items)) return items;
  return items.map((item: unknown) => {
    const { version, state } = Object.assign({ version: 0, state: "" }, item);
    return `${version} ${state}`;
  });
}

const untouched = ["1 current"];

describe("a rotation over HTTP", () => {
  it("puts the new secret in force, keeps the old one, and is shown", async () => {
    const id = await registered();
    const rotated = await rotate(id);
    expect(rotated).toMatchObject({
      status: 200,
      json: {
        credential: { id, status: "active", revision: 2, secret: { version: 2 } },
        rotation: { state: "overlap", from_version: 1, to_version: 2, fallbacks: 0, ended_at: null },
      },
    });
    expect(rotated.text).not.toContain("a new");
    expect(await keyInForce(id)).toBe("a new key");
    const versions = await tenant.owner.get(`${at(id)}/versions`);
    expect(versions).toMatchObject({
      status: 200,
      json: {
        items: [
          { version: 2, state: "current", store: "postgres", destroyed_at: null, uses: 1 },
          { version: 1, state: "retired", store: "postgres", destroyed_at: null, uses: 0 },
        ],
        rotation: rotated.json["rotation"],
        old_version_uses: [],
      },
    });
  });

  it("is rolled back by whoever knows the revision, and the old secret is in force again", async () => {
    const id = await registered();
    await rotate(id);
    const path = `${at(id)}/rotation/rollback`;
    expect((await tenant.owner.post(path)).json["code"]).toBe("precondition_required");
    expect((await tenant.owner.post(path, undefined, ifMatch(1))).json["code"]).toBe("stale");
    expect(await tenant.owner.post(path, undefined, ifMatch(2))).toMatchObject({
      status: 200,
      json: { credential: { revision: 3, secret: { version: 1 } }, rotation: { state: "rolled_back" } },
    });
    expect(await keyInForce(id)).toBe("the old key");
    expect(await versionsOf(id)).toEqual(["2 destroyed", "1 current"]);
    expect(await tenant.owner.post(path, undefined, ifMatch(3))).toMatchObject({
      status: 409,
      json: { code: "illegal_state" },
    });
  });

  it("is finished early, once", async () => {
    const id = await registered();
    await rotate(id);
    const path = `${at(id)}/rotation/finish`;
    expect(await tenant.owner.post(path)).toMatchObject({ status: 200, json: { state: "finished" } });
    expect(await versionsOf(id)).toEqual(["2 current", "1 destroyed"]);
    expect(await tenant.owner.post(path)).toMatchObject({ status: 409, json: { code: "illegal_state" } });
    expect(await keyInForce(id)).toBe("a new key");
  });

  it("under an Idempotency-Key happens once and is answered twice", async () => {
    const id = await registered();
    const headers = { "idempotency-key": randomUUID() };
    const first = await rotate(id, {}, { headers });
    const asked = venue.inspections;
    const again = await rotate(id, {}, { headers });
    expect(again).toMatchObject({ status: 200, json: first.json });
    expect(again.headers["idempotency-replayed"]).toBe("true");
    expect(venue.inspections).toBe(asked);
    expect(await versionsOf(id)).toEqual(["2 current", "1 retired"]);
    expect(await rotate(id, { overlap_seconds: 0 }, { headers }), "another request").toMatchObject({
      status: 422,
      json: { code: "idempotency_mismatch" },
    });
  });

  it("of fifty at once, in two processes and each to another key, goes to exactly one", async () => {
    const id = await registered();
    const another = await api.another();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) => {
        const client = (index % 2 === 0 ? api : another).as(tenant.owner.token);
        const secret = { api_key: `key ${index}`, api_secret: `secret ${index}` };
        return rotate(id, { secret }, { client });
      }),
    );
    await another.close();
    const winners = answers.flatMap(({ status }, index) => (status === 200 ? [index] : []));
    const losers = answers.filter(({ status }) => status !== 200);
    expect(winners).toHaveLength(1);
    for (const { status, json } of losers) {
      expect(["409 illegal_state", "412 stale"]).toContain(`${status} ${String(json["code"])}`);
    }
    expect(await keyInForce(id)).toBe(`key ${winners[0]}`);
    const { rows } = await sql<{ left: string }>`
      select 'intent' as left from intents where credential_id = ${id}
      union all select 'sealed ' || state from sealed_secrets join credential_versions using (credential_id, version)
        where credential_id = ${id}
      union all select 'sealed, of no version' from sealed_secrets s where credential_id = ${id} and not exists (
        select from credential_versions v where v.credential_id = s.credential_id and v.version = s.version)
      order by 1`.execute(api.world.database.owner);
    expect(rows.map(({ left }) => left)).toEqual(["sealed current", "sealed retired"]);
  });
});

type Refusal = readonly [why: string, ask: (id: string) => Promise<Answered>, answer: string];

const refusals: readonly Refusal[] = [
  ["without the ETag", (id) => rotate(id, {}, { revision: null }), "428 precondition_required"],
  ["with an older ETag", (id) => rotate(id, {}, { revision: 7 }), "412 stale"],
  ["to the key that is in use", (id) => rotate(id, { secret: old }), "422 same_secret"],
  ["to a key without its secret", (id) => rotate(id, { secret: { api_key: "x" } }), "400 malformed"],
  ["with an overlap below zero", (id) => rotate(id, { overlap_seconds: -1 }), "400 malformed"],
  ["with an overlap above a day", (id) => rotate(id, { overlap_seconds: 86_401 }), "400 malformed"],
  ["with half a second of overlap", (id) => rotate(id, { overlap_seconds: 0.5 }), "400 malformed"],
  ["with a word that it does not know", (id) => rotate(id, { overlap: 60 }), "400 malformed"],
  ["of a credential that is not there", () => rotate(randomUUID()), "404 not_found"],
];
const old = { api_key: "the old key", api_secret: "the old secret" };

describe("a rotation is refused, and the old secret stays in force,", () => {
  it.each(refusals)("%s", async (_, ask, answer) => {
    const id = await registered();
    const { status, json } = await ask(id);
    expect(`${status} ${String(json["code"])}`).toBe(answer);
    expect(await keyInForce(id)).toBe("the old key");
    expect(await versionsOf(id)).toEqual(untouched);
  });

  it("to a key of another account at the venue", async () => {
    const id = await registered();
    venue.verdict = () => valid({ account: { id: "somebody else's" } });
    expect(await rotate(id)).toMatchObject({ status: 422, json: { code: "venue_account" } });
    expect(await keyInForce(id)).toBe("the old key");
  });

  it("to a key that may do more, and says what; with allow_wider it goes through", async () => {
    venue.verdict = () => valid({ permissions: { trade: "no" } });
    const id = await registered();
    venue.verdict = () => valid();
    expect(await rotate(id)).toMatchObject({
      status: 422,
      json: { code: "wider_permissions", wider: ["trade"] },
    });
    expect(await keyInForce(id)).toBe("the old key");
    expect((await rotate(id, { allow_wider: true })).status).toBe(200);
    expect(await keyInForce(id)).toBe("a new key");
  });

  it("while the venue refuses the new key, or cannot be asked", async () => {
    const id = await registered();
    venue.verdict = () => ({ outcome: "rejected", reason: "bad_key", message: "No such key." });
    expect(await rotate(id)).toMatchObject({
      status: 422,
      json: { code: "venue_rejected", reason: "bad_key" },
    });
    venue.verdict = () => ({ outcome: "venue_unavailable", message: "Down for maintenance." });
    expect(await rotate(id)).toMatchObject({ status: 503, json: { code: "venue_unavailable" } });
    expect(await keyInForce(id)).toBe("the old key");
    expect(await versionsOf(id)).toEqual(untouched);
    venue.verdict = () => valid();
    expect((await rotate(id)).status, "the control").toBe(200);
  });

  it("while another is under way", async () => {
    const id = await registered();
    await rotate(id);
    const secret = { api_key: "a third key", api_secret: "a third secret" };
    expect(await rotate(id, { secret }, { revision: 2 })).toMatchObject({
      status: 409,
      json: { code: "illegal_state" },
    });
    expect(await keyInForce(id)).toBe("a new key");
  });

  it("of a credential that is switched off, and of one that is revoked", async () => {
    const off = await registered();
    await tenant.owner.send("PATCH", at(off), { body: { active: false }, headers: ifMatch(1) });
    expect(await rotate(off, {}, { revision: 2 })).toMatchObject({
      status: 400,
      json: { code: "credential_inactive" },
    });
    const gone = await registered();
    await tenant.owner.post(`${at(gone)}/revoke`);
    expect(await rotate(gone, {}, { revision: 2 })).toMatchObject({
      status: 409,
      json: { code: "illegal_state" },
    });
  });

  it("of another member's credential with 403, of another tenant's with 404, whatever part of it", async () => {
    const id = await registered();
    const trader = await tenant.addMember("trader");
    const other = await api.createTenant();
    for (const [client, status] of [
      [trader, 403],
      [other.owner, 404],
    ] as const) {
      const answers = [
        await rotate(id, {}, { client }),
        await client.post(`${at(id)}/rotation/rollback`, undefined, ifMatch(1)),
        await client.post(`${at(id)}/rotation/finish`),
        await client.get(`${at(id)}/versions`),
      ];
      expect(answers.map((answer) => answer.status)).toEqual([status, status, status, status]);
    }
    expect(await versionsOf(id)).toEqual(untouched);
  });
});
