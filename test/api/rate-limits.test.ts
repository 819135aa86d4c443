import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  type Answered,
  type Api,
  type ApiTenant,
  type ApiWorld,
  type Client,
  createApiWorld,
  registerCredential,
} from "../../testkit/api.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";

const venue = new ScriptedVenue();
let api: ApiWorld;
let others: Api[] = [];

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => venue.in(custody) });
});
afterEach(async () => {
  await Promise.all(others.map((other) => other.close()));
  others = [];
});
afterAll(() => api.close());

const custody = { custody: venue.in.bind(venue) };

async function another(limits: { requests?: number; reveals?: number; invokes?: number }): Promise<Api> {
  const made = await api.another({ ...custody, limits });
  others.push(made);
  return made;
}

const accepted = (answers: readonly Answered[]): number =>
  answers.filter(({ status }) => status !== 429).length;

async function times(count: number, send: () => Promise<Answered>): Promise<Answered[]> {
  return Promise.all(Array.from({ length: count }, send));
}

const me = (client: Client) => () => client.get("/api/v1/me");

describe("the limit of a tenant", () => {
  it("lets as many requests through as it says, and tells the others when to come again", async () => {
    const tenant = await api.createTenant();
    const { as } = await another({ requests: 30 });
    const answers = await times(50, me(as(tenant.owner.token)));
    const refused = answers.filter(({ status }) => status === 429);

    expect(accepted(answers)).toBe(30);
    for (const { headers, json } of refused) {
      expect(json).toMatchObject({ code: "rate_limited", limit: "requests", quota: 30 });
      expect(headers["ratelimit"]).toBe(`"requests";r=0;t=${String(headers["retry-after"])}`);
      expect(Number(headers["retry-after"])).toBeGreaterThan(0);
      expect(Number(headers["retry-after"])).toBeLessThanOrEqual(60);
    }
  });

  it.each([100, 33, 7])(
    "of %i holds across four processes: never more, and less only by what idle ones leased",
    async (requests) => {
      const tenant = await api.createTenant();
      const processes = await Promise.all(Array.from({ length: 4 }, () => another({ requests })));
      const answers = await Promise.all(
        processes.map(({ as }) => times(requests, me(as(tenant.owner.token)))),
      );

      // All four ask for more than there is, so none is idle and everything is handed out.
      expect(answers.reduce((sum, ofOne) => sum + accepted(ofOne), 0)).toBe(requests);
    },
  );

  it("is short by less than a tenth for an idle process", async () => {
    const tenant = await api.createTenant();
    const [busy, idle] = await Promise.all([another({ requests: 100 }), another({ requests: 100 })]);
    await me(idle.as(tenant.owner.token))();
    const answers = await times(150, me(busy.as(tenant.owner.token)));

    expect(accepted(answers)).toBe(90);
  });

  it("costs no write a request", async () => {
    const tenant = await api.createTenant();
    const { as } = await another({ requests: 1000 });
    const writes = async (): Promise<number> => {
      const found = await api.world.database.ownerPool.query(
        "select coalesce(sum(n_tup_ins + n_tup_upd), 0)::int as n from pg_stat_user_tables where relname = 'rate_limits'",
      );
      return Number(found.rows[0]?.n);
    };
    await me(as(tenant.owner.token))();
    await api.world.database.ownerPool.query("select pg_stat_force_next_flush()");
    const before = await writes();
    await times(99, me(as(tenant.owner.token)));

    expect((await writes()) - before).toBeLessThanOrEqual(1);
  });

  it("is told in every answer", async () => {
    const tenant = await api.createTenant();
    const { as } = await another({ requests: 50 });
    const { headers } = await me(as(tenant.owner.token))();

    expect(headers["ratelimit-policy"]).toBe('"requests";q=50;w=60');
    expect(headers["ratelimit"]).toMatch(/^"requests";r=49;t=\d+$/);
  });

  it("is the tenant's own: another tenant does not feel it", async () => {
    const [loud, quiet] = await Promise.all([api.createTenant(), api.createTenant()]);
    const { as } = await another({ requests: 5 });
    await times(20, me(as(loud.owner.token)));

    expect(accepted(await times(5, me(as(quiet.owner.token))))).toBe(5);
  });

  it("can be set for a tenant by the operator", async () => {
    const tenant = await api.createTenant();
    await api.operator.patch(`/api/v1/tenants/${tenant.id}`, { limits: { requests_per_minute: 3 } });
    const { as } = await another({ requests: 100 });

    expect(accepted(await times(10, me(as(tenant.owner.token))))).toBe(3);
  });

  it("is that of its members and keys together", async () => {
    const tenant = await api.createTenant();
    const viewer = await tenant.addMember("viewer");
    await api.world.database.ownerPool.query("delete from rate_limits");
    const { as } = await another({ requests: 10 });
    const answers = await Promise.all([
      times(10, me(as(tenant.owner.token))),
      times(10, me(as(viewer.token))),
    ]);

    expect(accepted(answers.flat())).toBe(10);
  });
});

describe("the limit of reveals", () => {
  async function revealable(tenant: ApiTenant): Promise<string> {
    const { id } = await registerCredential(tenant.owner, { policy: { reveal: true, allow: ["read"] } });
    return `/api/v1/credentials/${id}`;
  }

  it("is a member's own, holds across processes, and leaves other requests alone", async () => {
    const tenant = await api.createTenant();
    const path = await revealable(tenant);
    const second = await tenant.addMember("owner");
    const [one, two] = await Promise.all([another({ reveals: 10 }), another({ reveals: 10 })]);
    const reveal = (client: Client) => () => client.post(`${path}/reveal`, { reason: "test" });
    const answers = await Promise.all([
      times(15, reveal(one.as(tenant.owner.token))),
      times(15, reveal(two.as(tenant.owner.token))),
    ]);

    expect(accepted(answers.flat())).toBe(10);
    expect(accepted(await times(3, reveal(one.as(second.token))))).toBe(3);
    expect((await one.as(tenant.owner.token).get(path)).status).toBe(200);
  });

  it("is that of a member's tokens and keys together", async () => {
    const tenant = await api.createTenant();
    const path = await revealable(tenant);
    const { as } = await another({ reveals: 10 });
    const makeKey = async (): Promise<Client> => {
      const body = { name: "key", scopes: ["credentials:reveal"] };
      return as(String((await tenant.owner.post("/api/v1/api-keys", body)).json["key"]));
    };
    const callers = [as(tenant.owner.token), await makeKey(), await makeKey(), await makeKey()];
    const answers = await Promise.all(
      callers.map((client) => times(10, () => client.post(`${path}/reveal`, { reason: "test" }))),
    );

    expect(accepted(answers.flat())).toBe(10);
  });

  it("is counted before anything is opened: the record has the reveals that were let through and no more", async () => {
    const tenant = await api.createTenant();
    const path = await revealable(tenant);
    const { as } = await another({ reveals: 4 });
    await times(9, () => as(tenant.owner.token).post(`${path}/reveal`, { reason: "test" }));
    const events = await tenant.owner.get("/api/v1/audit/events?event=credential.revealed");

    expect(events.json["count"]).toBe(4);
  });

  it("of invokes is that of a credential, however the id is spelled and by whatever key or member", async () => {
    const tenant = await api.createTenant();
    const [one, two] = [await revealable(tenant), await revealable(tenant)];
    const { as } = await another({ invokes: 4 });
    const body = { name: "key", scopes: ["credentials:use"] };
    const key = as(String((await tenant.owner.post("/api/v1/api-keys", body)).json["key"]));
    const client = as(tenant.owner.token);
    const invoke = (who: Client, path: string) => () =>
      who.post(`${path}/invoke`, { operation: "fetchBalance" });
    const answers = [
      ...(await times(3, invoke(client, one))),
      ...(await times(3, invoke(key, one))),
      ...(await times(3, invoke(as((await tenant.addMember("owner")).token), one))),
      ...(await times(
        3,
        invoke(
          client,
          one.replace(/[^/]+$/, (id) => id.toUpperCase()),
        ),
      )),
    ];

    expect(accepted(answers)).toBe(4);
    expect(accepted(await times(6, invoke(key, two)))).toBe(4);
  });

  it("counts no invoke and no reveal among the requests that manage", async () => {
    const tenant = await api.createTenant();
    const path = await revealable(tenant);
    await api.world.database.ownerPool.query("delete from rate_limits");
    const { as } = await another({ requests: 3 });
    const client = as(tenant.owner.token);
    const uses = await times(10, () => client.post(`${path}/invoke`, { operation: "fetchBalance" }));
    const reveals = await times(10, () => client.post(`${path}/reveal`, { reason: "test" }));

    expect([...uses, ...reveals].map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200));
    expect(accepted(await times(5, me(client)))).toBe(3);
    const [last] = await times(1, () => client.post(`${path}/invoke`, { operation: "fetchBalance" }));
    expect(last?.headers["ratelimit-policy"]).toMatch(/^"invokes"/);
  });

  it("of each kind can be set for a tenant", async () => {
    const tenant = await api.createTenant();
    const path = await revealable(tenant);
    const limits = { reveals_per_minute: 2, invokes_per_minute: 3 };
    await api.operator.patch(`/api/v1/tenants/${tenant.id}`, { limits });
    const client = (await another({ reveals: 50, invokes: 50 })).as(tenant.owner.token);

    expect(accepted(await times(6, () => client.post(`${path}/reveal`, { reason: "test" })))).toBe(2);
    expect(accepted(await times(6, () => client.post(`${path}/invoke`, { operation: "fetchBalance" })))).toBe(
      3,
    );
  });

  it("of a credential is not used up by those who may not use it", async () => {
    const tenant = await api.createTenant();
    const path = await revealable(tenant);
    const stranger = await tenant.addMember("trader");
    const { as } = await another({ invokes: 5 });
    const invoke = (token: string) => () => as(token).post(`${path}/invoke`, { operation: "fetchBalance" });
    const refused = [];
    for (let n = 0; n < 8; n += 1) refused.push((await invoke(stranger.token)()).status);

    expect(refused).toEqual(Array.from({ length: 8 }, () => 403));
    expect(accepted(await times(5, invoke(tenant.owner.token)))).toBe(5);
  });

  it("bounds refusals, so that ids cannot be tried without an end", async () => {
    const tenant = await api.createTenant();
    const { as } = await another({ requests: 6 });
    const guess = () =>
      as(tenant.owner.token).post(`/api/v1/credentials/${crypto.randomUUID()}/invoke`, {
        operation: "fetchBalance",
      });
    const statuses = [];
    for (let n = 0; n < 10; n += 1) statuses.push((await guess()).status);

    expect(statuses.filter((status) => status === 404)).toHaveLength(6);
    expect(new Set(statuses.slice(6))).toEqual(new Set([429]));
    expect((await me(as(tenant.owner.token))()).status, "management goes on").toBe(200);
  });

  it("is apart from that of invokes", async () => {
    const tenant = await api.createTenant();
    const path = await revealable(tenant);
    const { as } = await another({ reveals: 1, invokes: 3 });
    const client = as(tenant.owner.token);
    await times(3, () => client.post(`${path}/reveal`, { reason: "test" }));
    const invoked = await times(5, () => client.post(`${path}/invoke`, { operation: "fetchBalance" }));

    expect(accepted(invoked)).toBe(3);
  });
});

it("a request that cannot be counted is not served", async () => {
  const tenant = await api.createTenant();
  const { as } = await another({ requests: 50 });
  await api.world.database.ownerPool.query("revoke all on rate_limits from keyhold_app");
  const refused = await me(as(tenant.owner.token))();
  await api.world.database.ownerPool.query(
    "grant select, insert, update, delete on rate_limits to keyhold_app",
  );

  expect(refused).toMatchObject({ status: 503, json: { code: "not_ready" } });
  expect((await me(as(tenant.owner.token))()).status).toBe(200);
});
