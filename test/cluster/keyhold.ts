import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { z } from "zod";
import { packRecord } from "../../src/crypto/packed-fields.ts";
import type { SealedFields, SecretRef, Store } from "../../src/stores/store.ts";
import { createVaultStore } from "../../src/stores/vault.ts";
import { VaultClient } from "../../src/vault/client.ts";
import { accepted, type Answer, textAt } from "../../testkit/cluster/api.ts";
import type { Cluster } from "../../testkit/cluster/cluster.ts";
import { sealedFields } from "../contracts/store-contract.ts";

/** A cluster under test, and Keyhold as its guest. */
export type Subject = Readonly<{ cluster: Cluster; client: VaultClient; store: Store }>;

/** A sealed secret that rests in the cluster. */
export type Kept = Readonly<{ ref: SecretRef; fields: SealedFields }>;

/** Keyhold's client and store, logged in as the cluster says it shall; patient enough for any election. */
export function openKeyhold(cluster: Cluster): Readonly<{ client: VaultClient; store: Store }> {
  const { roleId, secretIdFile } = cluster.login;
  const client = new VaultClient({
    addresses: cluster.addresses,
    ca: cluster.ca,
    auth: { method: "approle", roleId, secretIdFile },
    deadlineMs: 60_000,
  });
  return { client, store: createVaultStore(client) };
}

export function newRef(tenantId: string = randomUUID()): SecretRef {
  return { tenantId, credentialId: randomUUID(), venue: "kraken", environment: "live", version: 1 };
}

export async function keepOne(store: Store): Promise<Kept> {
  const ref = newRef();
  const fields = sealedFields(ref);
  expect(await store.put(ref, fields)).toEqual({ outcome: "written" });
  return { ref, fields };
}

/** Whether the store gives it back byte for byte. */
export async function isThere(store: Store, { ref, fields }: Kept): Promise<boolean> {
  const answer = await store.get(ref);
  return answer.outcome === "found" && Buffer.from(packRecord(answer.fields)).equals(packRecord(fields));
}

export function pathOf({ tenantId, venue, environment, credentialId }: SecretRef): string {
  return `tenants/${tenantId}/exchanges/${venue}/${environment}/${credentialId}`;
}

/** What somebody's token is answered, given the method and the path in one line: the status alone. */
export type Ask = (request: string, body?: object) => Promise<number>;

/** Somebody whose token has this policy and no other. */
export async function withPolicy(cluster: Cluster, policy: string): Promise<Ask> {
  const wish = { policies: [policy], no_default_policy: true, ttl: "10m" };
  const answer = accepted(await cluster.arrange("POST", "auth/token/create-orphan", wish));
  const token = textAt(answer, "auth", "client_token");
  return async (line, body) => {
    const [method, path] = z
      .tuple([z.enum(["GET", "POST", "DELETE", "LIST"]), z.string()])
      .parse(line.split(" "));
    return (await cluster.arrange(method, path, body, { token })).status;
  };
}

/** A login of Keyhold's own role. */
export async function logIn(cluster: Cluster): Promise<Answer> {
  const body = { role_id: cluster.login.roleId, secret_id: await cluster.newSecretId() };
  return accepted(await cluster.arrange("POST", "auth/approle/login", body));
}
