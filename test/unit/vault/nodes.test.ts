import { once } from "node:events";
import { createServer } from "node:net";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { StartError } from "../../../src/errors.ts";
import { StoreTrouble } from "../../../src/remote/failure.ts";
import { Nodes, type VaultAnswer, type VaultRequest, type VaultSettings } from "../../../src/vault/nodes.ts";
import { type FakeNode, type Reply, startFakeNode, usual } from "./fake-node.ts";

const auth = { method: "token", tokenFile: "/dev/null" } as const;
const secret: VaultRequest = { method: "GET", path: "secret/data/x", token: "hvs.of-a-test" };
const ok: Reply = { status: 200, body: { data: {} } };

let nodes: FakeNode[] = [];
let client: Nodes | undefined;

beforeEach(async () => {
  nodes = await Promise.all([startFakeNode(), startFakeNode(), startFakeNode()]);
});

afterEach(async () => {
  vi.useRealTimers();
  await client?.close();
  await Promise.all(nodes.map((node) => node.close()));
});

function open(settings: Partial<VaultSettings> = {}): Nodes {
  const addresses = nodes.map(({ address }) => address);
  client = new Nodes({ addresses, auth, deadlineMs: 2000, attemptMs: 300, ...settings });
  return client;
}

function node(index: number): FakeNode {
  const found = nodes[index];
  if (found === undefined) throw new Error(`no node ${index}`);
  return found;
}

async function reasonOf(call: Promise<VaultAnswer>): Promise<string> {
  const error = await call.then(
    () => new Error("it was answered"),
    (error: unknown) => error,
  );
  if (!(error instanceof StoreTrouble)) throw error;
  return error.answer.reason;
}

/**
 * Why the first attempt failed. The clock that says whether there is time for another one passes the deadline at once, so that the
 * reason does not depend on how much of it a busy machine needs.
 */
function reasonOfFirst(settings: Partial<VaultSettings> = {}): Promise<string> {
  vi.useFakeTimers({ toFake: ["performance"] });
  const deadlineMs = 60_000;
  const reason = reasonOf(open({ deadlineMs, attemptMs: deadlineMs, ...settings }).send(secret));
  vi.advanceTimersByTime(deadlineMs);
  return reason;
}

const counts = (): number[] => nodes.map(({ received }) => received.length);

describe("of several nodes", () => {
  test("the one that answered last is asked first", async () => {
    node(0).reply(() => ({ status: 500 }));
    const vault = open();
    for (let call = 0; call < 5; call += 1) expect((await vault.send(secret)).status).toBe(404);
    expect(counts()).toEqual([1, 5, 0]);
  });

  test("the next is asked where one is gone", async () => {
    await node(0).close();
    expect((await open().send(secret)).status).toBe(404);
    expect(counts()).toEqual([0, 1, 0]);
  });

  test("the next is asked where one says nothing", async () => {
    node(0).reply(() => null);
    expect((await open().send(secret)).status).toBe(404);
    expect(counts()).toEqual([1, 1, 0]);
  });

  test("one that takes connections and says nothing holds up nobody for longer than one attempt, however many ask at once", async () => {
    const silent = createServer(() => undefined).listen(0, "127.0.0.1");
    await once(silent, "listening");
    const address = silent.address();
    const port = typeof address === "object" ? address?.port : undefined;
    const vault = open({ addresses: [`https://127.0.0.1:${port}`, node(1).address], deadlineMs: 15_000 });
    const answers = await Promise.all(Array.from({ length: 40 }, () => vault.send(secret)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([404]));
    silent.close();
  });

  test.each([429, 500, 502, 503, 412, 472, 473, 301, 308])(
    "the next is asked where one answers %i",
    async (status) => {
      node(0).reply(() => ({ status, headers: { location: "http://127.0.0.1:1/" } }));
      expect((await open().send(secret)).status).toBe(404);
      expect(counts()).toEqual([1, 1, 0]);
    },
  );

  test.each([200, 204, 400, 403, 404, 405])(
    "an answer of %i is one, and nobody else is asked",
    async (status) => {
      node(0).reply(() => ({ status }));
      expect((await open().send(secret)).status).toBe(status);
      expect(counts()).toEqual([1, 0, 0]);
    },
  );

  test("one that comes back is found before the deadline, by whoever kept asking", async () => {
    let refusals = 0;
    for (const each of nodes) each.reply(() => ((refusals += 1) <= 10 ? { status: 503 } : ok));
    expect((await open().send(secret)).status).toBe(200);
    expect(refusals).toBe(11);
  });

  test("what the deadline cuts off ends with the reason that a node has given before", async () => {
    const sealed: Reply = { status: 503, body: { errors: ["Vault is sealed"] } };
    let asked = 0;
    for (const each of nodes) each.reply(() => ((asked += 1) <= 2 ? sealed : null));
    expect(await reasonOf(open({ attemptMs: 10_000, deadlineMs: 600 }).send(secret))).toBe("sealed");
    expect(asked, "the last one says nothing").toBe(3);
  });

  test("what nobody answers ends at the deadline, with the reason of the last one asked", async () => {
    for (const each of nodes) each.reply(() => ({ status: 503, body: { errors: ["Vault is sealed"] } }));
    expect(await reasonOf(open({ deadlineMs: 400 }).send(secret))).toBe("sealed");
  });
});

describe("a redirect", () => {
  test("to another node is followed, with method, body and token", async () => {
    node(0).reply(() => ({ status: 307, headers: { location: `${node(2).address}/v1/secret/data/x` } }));
    const write: VaultRequest = { ...secret, method: "POST", body: { data: { some: "value" } } };
    expect((await open().send(write)).status).toBe(404);
    expect(counts()).toEqual([1, 0, 1]);
    expect(node(2).received[0]).toMatchObject({
      method: "POST",
      path: "/v1/secret/data/x",
      body: '{"data":{"some":"value"}}',
      headers: { "x-vault-token": "hvs.of-a-test" },
    });
  });

  test("to a host that is not listed is not, and gets no token", async () => {
    const stranger = await startFakeNode();
    nodes.push(stranger);
    node(0).reply(() => ({ status: 307, headers: { location: `${stranger.address}/v1/secret/data/x` } }));
    const listed = nodes.slice(0, 3).map(({ address }) => address);
    expect((await open({ addresses: listed }).send(secret)).status).toBe(404);
    expect(counts()).toEqual([1, 1, 0, 0]);
    await client?.close();
    // The same host, once it is listed, is asked.
    expect((await open({ addresses: [...listed, stranger.address] }).send(secret)).status).toBe(404);
    expect(stranger.received).toHaveLength(1);
  });

  test("to a leader that is dead leads on to the next node, until there is a new leader", async () => {
    const dead = node(0).address;
    await node(0).close();
    let asked = 0;
    const standby = (): Reply =>
      (asked += 1) < 6 ? { status: 307, headers: { location: `${dead}/v1/secret/data/x` } } : ok;
    node(1).reply(standby);
    node(2).reply(standby);
    expect((await open().send(secret)).status).toBe(200);
    expect(asked).toBe(6);
  });

  test.each(["", "not a url", "/v1/elsewhere"])("to %j leads nowhere", async (location) => {
    node(0).reply(() => ({ status: 307, headers: { location } }));
    expect((await open().send(secret)).status).toBe(404);
    expect(counts()).toEqual([1, 1, 0]);
  });

  test("in a circle ends", async () => {
    for (const [index, each] of nodes.entries())
      each.reply(() => ({ status: 307, headers: { location: node((index + 1) % 3).address } }));
    expect(await reasonOfFirst()).toBe("failing");
    expect(counts()).toEqual([1, 1, 1]);
  });
});

describe("the active node", () => {
  test("is asked where it matters, wherever it is", async () => {
    const standby = (request: Parameters<typeof usual>[0]): Reply =>
      request.path.includes("sys/health") ? { status: 204 } : usual(request);
    node(0).reply(standby);
    node(1).reply(standby);
    node(2).reply((request) => (request.path.includes("sys/health") ? usual(request) : ok));
    const vault = open();
    expect((await vault.send(secret)).status).toBe(404);
    expect((await vault.send({ ...secret, at: "active" })).status).toBe(200);
  });

  test("needs no search where there is one node", async () => {
    const vault = open({ addresses: [node(0).address] });
    await vault.send({ ...secret, at: "active" });
    expect(node(0).received.map(({ path }) => path)).toEqual(["/v1/secret/data/x"]);
  });
});

describe("a request", () => {
  test("names the namespace, and asks for health outside of it", async () => {
    const vault = open({ namespace: "team-a/trading" });
    await vault.send({ ...secret, at: "active" });
    expect(
      node(0).received.map(({ path, headers }) => [path.split("?")[0], headers["x-vault-namespace"]]),
    ).toEqual([
      ["/v1/sys/health", undefined],
      ["/v1/secret/data/x", "team-a/trading"],
    ]);
  });

  test("has a token only where it was given one, and no namespace where none is set", async () => {
    const vault = open();
    await vault.send({ method: "POST", path: "auth/approle/login", body: {} });
    expect(node(0).received[0]?.headers).not.toHaveProperty("x-vault-token");
    expect(node(0).received[0]?.headers).not.toHaveProperty("x-vault-namespace");
    expect(node(0).received[0]?.headers).toHaveProperty("x-vault-request", "true");
    await vault.send(secret);
    expect(node(0).received[1]?.headers).toHaveProperty("x-vault-token", "hvs.of-a-test");
  });

  test.each([
    ["a page", "<html>welcome</html>"],
    ["half of an object", '{"data":'],
  ])("that is answered with %s was not answered", async (_name, body) => {
    for (const each of nodes) each.reply(() => ({ status: 200, body }));
    expect(await reasonOfFirst()).toBe("failing");
  });

  test("whose answer never ends was not answered", async () => {
    for (const each of nodes) each.reply(() => ({ status: 200, body: "x".repeat(5 * 1024 * 1024) }));
    expect(await reasonOfFirst()).toBe("unreachable");
  });

  test("to a node that says nothing is a time-out, and to none at all is not", async () => {
    const [silent, gone] = [node(0), node(1)];
    silent.reply(() => null);
    await gone.close();
    expect(await reasonOf(open({ addresses: [silent.address], deadlineMs: 400 }).send(secret))).toBe(
      "timeout",
    );
    await client?.close();
    expect(await reasonOfFirst({ addresses: [gone.address] })).toBe("unreachable");
  });
});

describe("an address", () => {
  test.each([
    "http://vault.example:8200",
    "http://10.0.0.7:8200",
    "ftp://127.0.0.1",
    "127.0.0.1:8200",
    "https://vault.example/prefix",
    "https://user@vault.example",
    "https://vault.example/?x=1",
    "",
  ])("of %j is refused", (address) => {
    expect(() => new Nodes({ addresses: ["https://vault.example:8200", address], auth })).toThrow(StartError);
  });

  test("is needed", () => {
    expect(() => new Nodes({ addresses: [], auth })).toThrow(StartError);
  });

  test.each([
    "https://vault.example:8200",
    "http://127.0.0.1:8200",
    "http://[::1]:8200",
    "http://localhost:8200/",
  ])("of %j is taken", (address) => {
    expect(() => new Nodes({ addresses: [address], auth })).not.toThrow();
  });
});
