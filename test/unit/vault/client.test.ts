import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { SecretRef, Store } from "../../../src/stores/store.ts";
import { createVaultStore } from "../../../src/stores/vault.ts";
import { VaultClient } from "../../../src/vault/client.ts";
import { sealedFields } from "../../contracts/store-contract.ts";
import { type FakeNode, type Received, type Reply, startFakeNode, usual } from "./fake-node.ts";

let nodes: FakeNode[];
let folder: string;
let client: VaultClient;
let store: Store;

beforeEach(async () => {
  nodes = await Promise.all([startFakeNode(), startFakeNode()]);
  folder = await mkdtemp(join(tmpdir(), "keyhold-client-"));
  const secretIdFile = join(folder, "secret-id");
  await writeFile(secretIdFile, "of a test\n");
  client = new VaultClient({
    addresses: nodes.map(({ address }) => address),
    auth: { method: "approle", roleId: "keyhold", secretIdFile },
    deadlineMs: 300,
    attemptMs: 200,
  });
  store = createVaultStore(client);
});

afterEach(async () => {
  vi.useRealTimers();
  await client.close();
  await Promise.all(nodes.map((node) => node.close()));
  await rm(folder, { recursive: true });
});

function newRef(): SecretRef {
  return {
    tenantId: randomUUID(),
    credentialId: randomUUID(),
    venue: "kraken",
    environment: "live",
    version: 1,
  };
}

function replies(at: number, answer: (request: Received) => Reply | null): void {
  nodes[at]?.reply(answer);
}

const asked = (pattern: RegExp): number =>
  nodes.flatMap(({ received }) => received).filter(({ path }) => pattern.test(path)).length;

test("a secret that a standby does not know yet is found at the active node, not called absent", async () => {
  const ref = newRef();
  const fields = sealedFields(ref);
  const values = Object.fromEntries([...fields].map(([name, sealed]) => [name, sealed.toBase64()]));
  replies(0, (request) => (request.path.includes("sys/health") ? { status: 204 } : usual(request)));
  replies(1, (request) =>
    request.path.includes("/data/")
      ? { status: 200, body: { data: { data: values, metadata: { version: 1 } } } }
      : usual(request),
  );
  expect((await store.get(ref)).outcome).toBe("found");
  replies(1, usual);
  expect(await store.get(ref)).toEqual({ outcome: "absent" });
});

test("an answer about another version than was asked for is none", async () => {
  for (const at of [0, 1])
    replies(at, (request) =>
      request.path.includes("/data/")
        ? { status: 200, body: { data: { data: {}, metadata: { version: 2 } } } }
        : usual(request),
    );
  expect(await store.get(newRef())).toEqual({ outcome: "unavailable", reason: "failing" });
});

test("whether a write took effect whose answer was lost shows when it is repeated", async () => {
  const ref = newRef();
  const fields = sealedFields(ref);
  let held: unknown = null;
  const serve = (request: Received): Reply => {
    if (!request.path.includes("/data/")) return request.method === "POST" ? { status: 204 } : usual(request);
    if (request.method === "GET")
      return { status: 200, body: { data: { data: held, metadata: { version: 1 } } } };
    if (held !== null)
      return { status: 400, body: { errors: ["check-and-set parameter did not match the current version"] } };
    held = Reflect.get(Object(JSON.parse(request.body)), "data");
    return { status: 502 };
  };
  const logsIn = (request: Received): Reply =>
    /login|mounts/.test(request.path) ? usual(request) : metadataOr(serve, request);
  replies(0, logsIn);
  replies(1, logsIn);
  expect(await store.put(ref, fields)).toEqual({ outcome: "written" });
  expect(await store.put(ref, sealedFields(ref))).toEqual({ outcome: "conflict" });
});

function metadataOr(serve: (request: Received) => Reply, request: Received): Reply {
  const metadata = { current_version: 1, max_versions: 1000, versions: { 1: { destroyed: false } } };
  const isRead = request.method === "GET" && request.path.includes("/metadata/");
  return isRead ? { status: 200, body: { data: metadata } } : serve(request);
}

test("after five calls without an answer the nodes are left alone", async () => {
  for (const at of [0, 1]) replies(at, () => ({ status: 500 }));
  for (let call = 0; call < 5; call += 1)
    expect(await store.get(newRef())).toEqual({ outcome: "unavailable", reason: "failing" });
  const before = asked(/./);
  expect(await store.get(newRef())).toEqual({ outcome: "unavailable", reason: "circuit_open" });
  expect(asked(/./)).toBe(before);
});

test("what is mounted is asked once", async () => {
  for (let call = 0; call < 3; call += 1) await store.get(newRef());
  expect(asked(/mounts/)).toBe(1);
});

test("a token is renewed when two thirds of its lease have passed, and again after two thirds of the next", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const auth = { client_token: "hvs.of-a-test", lease_duration: 3600, renewable: true };
  replies(0, (request) =>
    /login|renew/.test(request.path) ? { status: 200, body: { auth } } : usual(request),
  );
  await store.get(newRef());
  for (const renewals of [1, 2]) {
    await vi.advanceTimersByTimeAsync(2_399_000);
    expect(asked(/renew-self/)).toBe(renewals - 1);
    await vi.advanceTimersByTimeAsync(1000);
    await vi.waitUntil(() => asked(/renew-self/) === renewals, { timeout: 5000 });
    await settle();
  }
  expect(asked(/login/)).toBe(1);
});

test("a renewal that gets no answer is tried again while the token still holds", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const auth = { client_token: "hvs.of-a-test", lease_duration: 3600, renewable: true };
  replies(0, (request) => {
    if (request.path.includes("renew")) return { status: 500 };
    return request.path.includes("login") ? { status: 200, body: { auth } } : usual(request);
  });
  replies(1, (request) => (request.path.includes("renew") ? { status: 500 } : usual(request)));
  await store.get(newRef());
  await vi.advanceTimersByTimeAsync(2_400_000);
  await vi.waitUntil(() => asked(/renew-self/) >= 2, { timeout: 5000 });
  replies(0, (request) =>
    request.path.includes("renew") ? { status: 200, body: { auth } } : usual(request),
  );
  await settle();
  const before = asked(/renew-self/);
  await vi.advanceTimersByTimeAsync(300_000);
  await vi.waitUntil(() => asked(/renew-self/) > before, { timeout: 5000 });
  expect(asked(/login/)).toBe(1);
});

/** Lets answers that are on their way arrive, past the timers that do not run. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((next) => setImmediate(next));
  await vi.advanceTimersByTimeAsync(0);
}
