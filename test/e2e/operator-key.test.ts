import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createInstallation, type Installation } from "../../testkit/installation.ts";
import type { Service } from "../../testkit/service.ts";

const issuer = {
  issuer: "https://login.example.com",
  audience: "keyhold",
  algorithms: ["ES256"],
  tenants: "*",
};
/** As an installation behind an identity provider: its own tokens are off. */
const settings = { KEYHOLD_LOCAL_ISSUER: "", KEYHOLD_ISSUERS: JSON.stringify([issuer]) };

let installation: Installation;
let service: Service;
beforeAll(async () => {
  installation = await createInstallation();
  service = await installation.startProcess(settings);
});
afterAll(async () => {
  await service?.stop();
  await installation?.close();
});

const keyhold = (...argv: readonly string[]) =>
  installation.keyhold(["--json", "operator-key", ...argv], settings);
const made = async (): Promise<Readonly<{ id: string; key: string; expires_at: string }>> =>
  JSON.parse((await keyhold("create", "first tenant")).output);

async function ask(
  key: string,
  path = "/api/v1/tenants",
  body?: object,
): Promise<Readonly<{ status: number; json: Record<string, unknown> }>> {
  const answer = await fetch(`${service.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, json: Object.assign({}, await answer.json()) };
}

async function ends(key: string): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const { status } = await ask(key);
    if (status !== 200) return status;
    await sleep(100);
  }
  return 200;
}

test("Beside an identity provider the local issuer's tokens are worth nothing, and the first operator key opens a tenant", async () => {
  const { openLocalIssuer } = await import("../../src/access/local-issuer.ts");
  const local = await openLocalIssuer(installation.folder);
  const token = await local.mintToken({ subject: "operator", scopes: ["platform:tenants"], ttlSeconds: 60 });
  expect((await ask(token)).status).toBe(401);

  const { id, key, expires_at: expires } = await made();
  expect(key).toMatch(/^kho_[\w-]{43}$/);
  const hours = (new Date(expires).getTime() - Date.now()) / 3_600_000;
  expect(Math.round(hours)).toBe(24);
  const owner = { issuer: issuer.issuer, subject: "alice" };
  const opened = await ask(key, "/api/v1/tenants", { name: "Northwind", owner });
  expect(opened.status).toBe(201);
  const { rows } = await installation.world.database.ownerPool.query<{ events: string }>(
    "select events::text from audit.links where tenant_id = $1",
    [Object.assign({ id: "" }, opened.json["tenant"]).id],
  );
  expect(rows.map(({ events }) => events).join(), "the tenant's record names the key").toContain(id);
});

test("An operator key sees nothing inside a tenant", async () => {
  const { key } = await made();
  for (const path of ["/api/v1/credentials", "/api/v1/members", "/api/v1/audit/events", "/api/v1/api-keys"])
    expect((await ask(key, path)).status, path).toBe(403);
});

test("An operator key that is revoked, or whose day is over, lets no request in", async () => {
  const [revoked, old] = [await made(), await made()];
  expect([(await ask(revoked.key)).status, (await ask(old.key)).status]).toEqual([200, 200]);
  expect((await keyhold("revoke", revoked.id)).code, "it has to be meant").toBe(2);
  expect((await ask(revoked.key)).status, "the control").toBe(200);
  expect((await keyhold("revoke", revoked.id, "--yes")).code).toBe(0);
  await installation.world.database.ownerPool.query(
    "update operator_keys set created_at = created_at - interval '25 hours', expires_at = expires_at - interval '25 hours' where id = $1",
    [old.id],
  );
  expect([await ends(revoked.key), await ends(old.key)]).toEqual([401, 401]);
  expect((await ask(`kho_${randomBytes(32).toString("base64url")}`)).status).toBe(401);
});

test("The list shows every operator key that was made, who made it and where, and never the key", async () => {
  const { id, key } = await made();
  const { output } = await keyhold("list");
  expect(output).toContain(id);
  expect(JSON.parse(output).items[0]).toMatchObject({
    name: "first tenant",
    made_by: expect.stringMatching(/.@./),
  });
  expect(output).not.toContain(key);
  const { rows } = await installation.world.database.ownerPool.query<{ row: string }>(
    "select k::text as row from operator_keys k",
  );
  expect(
    rows.some(({ row }) => row.includes(id)),
    "the control",
  ).toBe(true);
  expect(rows.filter(({ row }) => row.includes(key.slice(11)))).toEqual([]);
});

test("An id that no key has, or that is no id, is refused with a sentence", async () => {
  expect((await keyhold("revoke", crypto.randomUUID(), "--yes")).code).toBe(1);
  expect((await keyhold("revoke", "x' or true")).code).toBe(2);
});
