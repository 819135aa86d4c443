import { randomBytes, randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Agent, request } from "undici";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/config/config.ts";
import { openTransitKeys } from "../../src/key-encryption/transit.ts";
import { textAt } from "../../testkit/cluster/api.ts";
import { shipped } from "../../testkit/cluster/configuration.ts";
import { portsOf } from "../../testkit/cluster/ports.ts";
import { type Ask, keepOne, logIn, pathOf, type Subject, withPolicy } from "./keyhold.ts";

/** Who may do what in a cluster that was set up as it is shipped. */
export function rights(get: () => Subject): void {
  describe("lets everybody do what they must, and nothing beside it:", () => {
    test("a login lasts for an hour at most, with Keyhold's policies and no others", async () => {
      const { cluster } = get();
      const token = textAt(await logIn(cluster), "auth", "client_token");
      const { body } = await cluster.arrange("GET", "auth/token/lookup-self", undefined, { token });
      const policies = ["keyhold-service", "keyhold-transit"];
      expect(body["data"]).toMatchObject({ policies, renewable: true, creation_ttl: 1200 });
      const { body: role } = await cluster.arrange("GET", "auth/approle/role/keyhold");
      expect(role["data"]).toMatchObject({ token_max_ttl: 3600, token_no_default_policy: true });
    });

    test("Keyhold takes the settings that are printed for it, all of them", async () => {
      const { cluster, store } = get();
      const { vault, unknownVariables, stores, keys } = readConfig(cluster.environment);
      expect(unknownVariables).toEqual([]);
      expect([stores.order, keys.order]).toEqual([["vault"], ["transit"]]);
      expect(vault).toMatchObject({ addresses: cluster.addresses, caFile: cluster.login.caFile });
      expect(await store.health()).toEqual({ outcome: "healthy" });
    });

    test("Keyhold keeps, reads and destroys sealed secrets", async () => {
      const { cluster, store } = get();
      const own = pathOf((await keepOne(store)).ref);
      const ask = await withPolicy(cluster, "keyhold-service");
      const written = { options: { cas: 1 }, data: { api_key: "sealed" } };
      await expectEach(ask, [
        [`GET secret/data/elsewhere/${own}`, `GET secret/data/${own}`],
        [`POST secret/data/elsewhere/${own}`, `POST secret/data/${own}`, written],
        ["LIST secret/metadata/tenants", `GET secret/metadata/${own}`],
        [`DELETE secret/metadata/${own}`, `POST secret/metadata/${own}`, { max_versions: 9 }],
        [`DELETE secret/data/${own}`, `POST secret/destroy/${own}`, { versions: [2] }],
        [`POST secret/undelete/${own}`, `GET secret/data/${own}?version=1`, { versions: [1] }],
        ["POST secret/config", "GET auth/token/lookup-self", { cas_required: false }],
        ["POST auth/token/create", "POST auth/token/renew-self", {}],
      ]);
      await expectRefused(ask, [
        "GET sys/policies/acl/keyhold-service",
        "GET sys/mounts",
        "GET sys/audit",
        "GET sys/storage/raft/snapshot",
        "POST sys/step-down",
        "POST sys/seal",
        "POST auth/approle/role/keyhold/secret-id",
        "POST transit/decrypt/keyhold",
      ]);
    });

    test("Keyhold uses its key in Transit", async () => {
      const { cluster, client } = get();
      const keys = await openTransitKeys(client);
      const context = { tenantId: randomUUID(), dataKeyId: randomUUID() };
      const dataKey = randomBytes(32);
      const wrapped = await keys.wrap(dataKey, context);
      expect(Buffer.from(await keys.unwrap(wrapped, context)).equals(dataKey)).toBe(true);
      await cluster.arrange("POST", "transit/keys/another", {});
      const ask = await withPolicy(cluster, "keyhold-transit");
      await expectEach(ask, [
        [
          "POST transit/encrypt/another",
          "POST transit/encrypt/keyhold",
          { plaintext: dataKey.toString("base64") },
        ],
        ["POST transit/hmac/another/sha2-256", "POST transit/hmac/keyhold/sha2-256", { input: "" }],
        ["DELETE transit/keys/keyhold", "GET transit/keys/keyhold"],
      ]);
      await expectRefused(ask, [
        "POST transit/keys/keyhold/rotate",
        "POST transit/keys/keyhold/config",
        "GET transit/export/encryption-key/keyhold",
        "GET transit/backup/keyhold",
        "LIST transit/keys",
      ]);
    });

    test("a Keyhold of one tenant, and a tenant's auditor, reach no other tenant", async () => {
      const { cluster, store } = get();
      const [mine, others] = [(await keepOne(store)).ref, (await keepOne(store)).ref];
      for (const name of ["tenant", "tenant-auditor"]) {
        const text = await readFile(join(shipped, "policies", `${name}.hcl`), "utf8");
        const policy = text.replaceAll("TENANT_ID", mine.tenantId);
        expect((await cluster.arrange("POST", `sys/policies/acl/${name}`, { policy })).status).toBe(204);
      }
      await expectEach(await withPolicy(cluster, "tenant"), [
        [`GET secret/data/${pathOf(others)}`, `GET secret/data/${pathOf(mine)}`],
        [`GET secret/metadata/${pathOf(others)}`, `GET secret/metadata/${pathOf(mine)}`],
        [`POST secret/destroy/${pathOf(others)}`, `POST secret/destroy/${pathOf(mine)}`, { versions: [7] }],
      ]);
      await expectEach(await withPolicy(cluster, "tenant-auditor"), [
        [`GET secret/data/${pathOf(mine)}`, `GET secret/metadata/${pathOf(mine)}`],
        [`LIST secret/metadata/tenants/${others.tenantId}`, `LIST secret/metadata/tenants/${mine.tenantId}`],
      ]);
    });

    test("who saves snapshots or reads metrics sees no secret", async () => {
      const { cluster, store } = get();
      const path = pathOf((await keepOne(store)).ref);
      for (const [policy, allowed] of [
        ["snapshot", "GET sys/storage/raft/snapshot"],
        ["prometheus", "GET sys/metrics"],
      ] as const)
        await expectEach(await withPolicy(cluster, policy), [[`GET secret/data/${path}`, allowed]]);
    });

    test("each node tells its metrics on a port of their own, and on no other without a token", async () => {
      const { cluster } = get();
      const agent = new Agent({ connect: { ca: cluster.ca } });
      const ask = async (port: number, path: string) =>
        request(`https://127.0.0.1:${port}/v1/${path}`, { dispatcher: agent });
      for (const node of cluster.nodes) {
        const { api, metrics } = portsOf(node.port);
        const { statusCode, body } = await ask(metrics, "sys/metrics?format=prometheus");
        expect(statusCode).toBe(200);
        expect(await body.text()).toMatch(/^vault_core_unsealed(\{.*\})? 1$/m);
        expect((await ask(api, "sys/metrics?format=prometheus")).statusCode).not.toBe(200);
        const beside = (await ask(metrics, "sys/health")).statusCode;
        if (cluster.program.product === "OpenBao") expect(beside).toBe(404);
      }
      await agent.destroy();
    });
  });
}

/** Every first request is refused, and the second one beside it, its control, is not; the body is of both. */
async function expectEach(
  ask: Ask,
  pairs: readonly (readonly [refused: string, allowed: string, body?: object])[],
): Promise<void> {
  for (const [refused, allowed, body] of pairs) {
    expect(await ask(refused, refused.startsWith("POST") ? body : undefined), refused).toBe(403);
    expect(await ask(allowed, allowed.startsWith("POST") ? body : undefined), allowed).toBeLessThan(300);
  }
}

async function expectRefused(ask: Ask, requests: readonly string[]): Promise<void> {
  for (const line of requests)
    expect(await ask(line, line.startsWith("POST") ? {} : undefined), line).toBe(403);
}
