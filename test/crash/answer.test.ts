import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { localIssuerName } from "../../src/access/local-issuer.ts";
import { type ApiTenant, type ApiWorld, createApiWorld, registerCredential } from "../../testkit/api.ts";
import { plainConnection } from "../../testkit/connection.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import type { Task } from "./answer-child.ts";

let api: ApiWorld;
let keys = 0;

beforeAll(async () => {
  api = await createApiWorld({ custody: (custody) => new ScriptedVenue().in(custody) });
});
afterAll(() => api.close());

type Write = Pick<Task, "method" | "path"> & Readonly<{ body?: object; revision?: number; token?: string }>;

/** What of the tenant a write needs, and the write. */
type Case = Readonly<{
  event: string;
  status: number;
  prepare: (tenant: ApiTenant) => Promise<Write> | Write;
  /** Shown in the first answer alone. */
  secret?: "key" | "secret";
}>;

const receiver = { url: "http://127.0.0.1:9/hook" };
const aWebhook = async ({ owner }: ApiTenant) =>
  String((await owner.post("/api/v1/webhooks", receiver)).json["id"]);

const cases: Readonly<Record<string, Case>> = {
  "a member": {
    event: "member.added",
    status: 201,
    prepare: () => ({
      method: "POST",
      path: "/api/v1/members",
      body: { issuer: localIssuerName, subject: "bob", role: "viewer" },
    }),
  },
  "a webhook, whose secret is shown once": {
    event: "webhook.created",
    status: 201,
    secret: "secret",
    prepare: () => ({ method: "POST", path: "/api/v1/webhooks", body: receiver }),
  },
  "the next secret of a webhook": {
    event: "webhook.secret_rotated",
    status: 200,
    secret: "secret",
    prepare: async (tenant) => ({
      method: "POST",
      path: `/api/v1/webhooks/${await aWebhook(tenant)}/rotate-secret`,
      revision: 1,
    }),
  },
  "a change of a webhook": {
    event: "webhook.updated",
    status: 200,
    prepare: async (tenant) => ({
      method: "PATCH",
      path: `/api/v1/webhooks/${await aWebhook(tenant)}`,
      body: { description: "desk" },
      revision: 1,
    }),
  },
  "a deletion": {
    event: "account.deleted",
    status: 204,
    prepare: async ({ owner }) => ({
      method: "DELETE",
      path: `/api/v1/accounts/${(await registerCredential(owner)).account_id}`,
    }),
  },
  "a freeze": {
    event: "credential.frozen",
    status: 200,
    prepare: async ({ owner }) => ({
      method: "POST",
      path: `/api/v1/credentials/${(await registerCredential(owner)).id}/freeze`,
      body: { reason: "lost laptop" },
    }),
  },
  "a schedule": {
    event: "credential.rotation_scheduled",
    status: 200,
    prepare: async ({ owner }) => ({
      method: "PUT",
      path: `/api/v1/credentials/${(await registerCredential(owner)).id}/rotation/schedule`,
      body: { parent_credential_id: null, every_days: 30 },
    }),
  },
  "the verdict on a key that is kept": {
    event: "credential.validated",
    status: 200,
    prepare: async ({ owner }) => ({
      method: "POST",
      path: `/api/v1/credentials/${(await registerCredential(owner)).id}/validate`,
    }),
  },
  "what the operator does": {
    event: "tenant.suspended",
    status: 200,
    prepare: ({ id }) => ({
      method: "POST",
      path: `/api/v1/tenants/${id}/suspend`,
      token: api.operator.token,
    }),
  },
};

const script = join(import.meta.dirname, "answer-child.ts");

/** Sends a write to a process that dies at its commit. */
async function lose({ owner }: ApiTenant, write: Write, die: Task["die"]): Promise<Record<string, string>> {
  const { method, path, body, revision, token = owner.token } = write;
  const headers = {
    "idempotency-key": `key-${(keys += 1)}`,
    ...(revision === undefined ? {} : { "if-match": `"${revision}"` }),
  };
  const task: Task = {
    connection: plainConnection(api.world.database.connection("keyhold_app")),
    keyFile: api.world.keyFile,
    folder: api.folder,
    token,
    method,
    path,
    ...(body === undefined ? {} : { body: { ...body } }),
    headers,
    die,
  };
  const child = spawn(process.execPath, [script, JSON.stringify(task)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, NODE_COMPILE_CACHE: join(dirname(api.world.keyFile), "compiled") },
  });
  const [output, [code, signal]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  expect({ output, code, signal }).toEqual({ output: "", code: null, signal: "SIGKILL" });
  return headers;
}

function repeat(tenant: ApiTenant, { method, path, body, token }: Write, headers: Record<string, string>) {
  const client = token === undefined ? tenant.owner : api.as(token);
  return client.send(method, path, { ...(body === undefined ? {} : { body }), headers });
}

/** How often the record tells of it. */
async function countEvents({ id }: ApiTenant, event: string): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select coalesce(sum(regexp_count(events, ${`"event":"${event}"`})), 0)::int as n from audit.links
    where tenant_id = ${id}`.execute(api.world.database.owner);
  return rows[0]?.n ?? -1;
}

describe("a write whose process dies after the commit, before the answer", () => {
  test.each(Object.entries(cases))(
    "is answered when it is sent again, and is not done again: %s",
    async (_, { event, status, prepare, secret }) => {
      const tenant = await api.createTenant();
      const write = await prepare(tenant);
      const before = await countEvents(tenant, event);
      const headers = await lose(tenant, write, "after the commit");
      const again = await repeat(tenant, write, headers);

      expect(again).toMatchObject({ status, headers: { "idempotency-replayed": "true" } });
      expect((await countEvents(tenant, event)) - before).toBe(1);
      if (secret !== undefined)
        expect(again.json).toMatchObject({
          [secret]: null,
          advice: expect.stringContaining("/api/v1/webhooks/"),
        });
    },
  );
});

describe("a write whose process dies before the commit", () => {
  test("was not done, and is done once when it is sent again two minutes later", async () => {
    const tenant = await api.createTenant();
    const write: Write = { method: "POST", path: "/api/v1/tenant/freeze", body: { reason: "drill" } };
    const headers = await lose(tenant, write, "before the commit");

    expect(await countEvents(tenant, "tenant.frozen")).toBe(0);
    expect((await repeat(tenant, write, headers)).json["code"]).toBe("idempotency_in_flight");
    await sql`update idempotency_keys set created_at = created_at - interval '3 minutes'`.execute(
      api.world.database.owner,
    );
    const again = await repeat(tenant, write, headers);
    expect(again.status).toBe(200);
    expect(again.headers["idempotency-replayed"]).toBeUndefined();
    expect(await countEvents(tenant, "tenant.frozen")).toBe(1);
  });
});
