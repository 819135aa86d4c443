import { randomBytes } from "node:crypto";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fault } from "../../simulator/faults.ts";
import { type Simulator, startSimulator } from "../../simulator/simulator.ts";
import { openLocalIssuer } from "../../src/access/local-issuer.ts";
import { createKeyFile } from "../../src/key-encryption/key-file.ts";
import { urlOf } from "../../testkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../testkit/database.ts";
import { countInMemory, encodings, leaksIn } from "../../testkit/leaks.ts";
import { type Service, startService } from "../../testkit/service.ts";
import { makeState } from "../../testkit/state.ts";
import { simulatedHosts } from "../../testkit/world.ts";

/** Plaintext that would be recognised anywhere; the secret holds characters that each encoding changes. */
const secret = {
  api_key: randomBytes(32).toString("hex"),
  api_secret: `sec"+/${randomBytes(24).toString("hex")}`,
};
const secrets = Object.values(secret);

let database: TestDatabase;
let simulator: Simulator;
let state: Awaited<ReturnType<typeof makeState>>;
let environment: Record<string, string>;
let owner: string;
const answers: string[] = [];

beforeAll(async () => {
  [database, simulator, state] = await Promise.all([createDatabase(), startSimulator(), makeState()]);
  const keyFile = `${state.folder}/kek`;
  await createKeyFile(keyFile);
  environment = {
    DATABASE_URL: urlOf(database.connection("keyhold_app")),
    KEYHOLD_FOLDER: state.folder,
    KEYHOLD_KEY_FILE: keyFile,
    KEYHOLD_LOCAL_ISSUER: "on",
    KEYHOLD_VENUE_HOSTS: JSON.stringify(simulatedHosts(simulator)),
    KEYHOLD_REVEALS_PER_MINUTE: "100000",
    KEYHOLD_REQUESTS_PER_MINUTE: "100000",
    KEYHOLD_LOG_LEVEL: "debug",
  };
});
afterAll(async () => {
  await simulator.close();
  await database.drop();
  await state[Symbol.asyncDispose]();
});

async function call(
  service: Service,
  method: string,
  path: string,
  body?: object | string,
): Promise<Record<string, unknown>> {
  const response = await fetch(`${service.url}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${owner}`, "content-type": "application/json", "if-match": '"1"' },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!path.endsWith("/reveal")) answers.push(text);
  return text.startsWith("{") ? JSON.parse(text) : {};
}

async function signIn(service: Service): Promise<void> {
  const issuer = await openLocalIssuer(state.folder);
  owner = await issuer.mintToken({ subject: "operator", scopes: ["platform:tenants"], ttlSeconds: 600 });
  const made = await call(service, "POST", "/tenants", {
    name: "T",
    owner: { issuer: "urn:keyhold:local", subject: "o" },
  });
  const tenant = made["tenant"];
  const tenantId = typeof tenant === "object" && tenant !== null && "id" in tenant ? String(tenant.id) : "";
  const scopes = [
    "accounts:write",
    "credentials:write",
    "credentials:read",
    "credentials:use",
    "credentials:validate",
    "credentials:reveal",
    "audit:read",
  ];
  owner = await issuer.mintToken({ tenantId, subject: "o", scopes, ttlSeconds: 600 });
}

/** Requests that go wrong with the secret in them, each in its own way. */
function failures(account_id: string): readonly (object | string)[] {
  const good = { account_id, venue: "binance", environment: "live", label: "other", secret };
  return [
    `{"secret": {"api_key": "${secret.api_key}`,
    `[${JSON.stringify(secret.api_secret)}]`,
    { ...good, secret: secret.api_secret },
    { ...good, secret: { ...secret, passphrase: secret.api_secret } },
    { ...good, secret: { api_key: secret.api_key } },
    { ...good, secret: { ...secret, api_secret: `${secret.api_secret}\n` } },
    { ...good, secret: { ...secret, api_secret: `${secret.api_secret}é` } },
    { ...good, secret: { ...secret, api_secret: [secret.api_secret] } },
    { ...good, secret: { ...secret, api_secret: `x${secret.api_secret}` } },
    { ...good, secret: { ...secret, [secret.api_key]: secret.api_secret } },
    { ...good, [secret.api_key]: secret.api_secret },
    { ...good, venue: secret.api_key },
    { ...good, environment: secret.api_key },
    { ...good, account_id: secret.api_secret },
    { ...good, venue: "kraken", secret },
    { ...good, venue: "coinbase", secret },
    { ...good, label: "default" },
    { ...good, expires_at: secret.api_secret },
    { ...good, policy: { allow: [secret.api_key] } },
  ];
}

describe("no plaintext comes to light", () => {
  test("in any log line, answer, metric, event or column, however a request fails", async () => {
    simulator.control.addKey("binance", { apiKey: secret.api_key, apiSecret: secret.api_secret });
    const service = await startService(environment);
    try {
      await signIn(service);
      const account = await call(service, "POST", "/accounts", { name: "planted-in-the-database" });
      const account_id = String(account["id"]);
      const policy = { allow: ["read", "trade"], reveal: true };
      const made = await call(service, "POST", "/credentials", {
        account_id,
        venue: "binance",
        environment: "live",
        secret,
        policy,
      });
      expect([made["status"], made["detail"]]).toEqual(["active", undefined]);
      for (const body of failures(account_id)) await call(service, "POST", "/credentials", body);
      await call(service, "PUT", `/credentials/${String(made["id"])}/secret`, {
        secret: { api_secret: `x${secret.api_secret}` },
      });
      await call(service, "POST", `/credentials/${String(made["id"])}/invoke`, {
        operation: "fetchBalance",
        params: {},
      });
      simulator.control.fail("binance", fault.status(401), { times: 1 });
      await call(service, "POST", `/credentials/${String(made["id"])}/validate`);
      answers.push(
        await (
          await fetch(`${service.url}/api/v1/audit/export`, { headers: { authorization: `Bearer ${owner}` } })
        ).text(),
      );
      answers.push(await (await fetch(service.metricsUrl)).text());
    } finally {
      await service.stop();
    }
    const columns = await everyColumn(database);
    const surfaces = { output: service.output(), answers: answers.join("\n"), columns };
    expect(surfaces.output).toContain('"status":422');
    expect(surfaces.answers).toContain('"code":"malformed"');
    expect(surfaces.answers).toContain("keyhold_validations_total");
    expect(surfaces.columns).toContain("planted-in-the-database");
    for (const [name, surface] of Object.entries(surfaces)) {
      expect([name, leaksIn(Buffer.from(surface), secrets)]).toEqual([name, []]);
      const planted = Object.values(encodings).map((encode) => encode(secret.api_secret));
      const leaking = Buffer.concat([Buffer.from(surface), ...planted]);
      expect(leaksIn(leaking, secrets).toSorted()).toEqual(Object.keys(encodings).toSorted());
    }
  });

  test("in the memory of the serving process after a hundred reveals and a use", async () => {
    const marker = `remembered-${randomBytes(16).toString("hex")}`;
    const service = await startService(environment);
    try {
      const { id } = await database.owner.selectFrom("credentials").select("id").executeTakeFirstOrThrow();
      for (let count = 0; count < 100; count += 1) {
        const revealed = await call(service, "POST", `/credentials/${id}/reveal`, { reason: marker });
        expect(JSON.stringify(revealed["secret"]) === JSON.stringify(secret)).toBe(true);
      }
      await call(service, "POST", `/credentials/${id}/invoke`, { operation: "fetchBalance", params: {} });
      expect(await countInMemory(service.pid, marker)).toBeGreaterThan(0);
      for (const plaintext of secrets) expect(await countInMemory(service.pid, plaintext.slice(6))).toBe(0);
    } finally {
      await service.stop();
    }
  });
});

/** Every value of every table, as the server prints it; bytes as hexadecimal digits. */
async function everyColumn({ owner: db }: TestDatabase): Promise<string> {
  const tables = await sql<{ name: string }>`
    select format('%I.%I', schemaname, tablename) as name from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')`.execute(db);
  const texts = await Promise.all(
    tables.rows.map(async ({ name }) => {
      const { rows } = await sql<{ text: string }>`select t::text as text from ${sql.raw(name)} t`.execute(
        db,
      );
      return rows.map(({ text }) => text).join("\n");
    }),
  );
  return texts.join("\n");
}
