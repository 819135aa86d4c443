import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { callbackify } from "node:util";
import { Agent, request } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { createGuard, type Guard, type GuardOptions } from "../../../src/webhooks/guard.ts";
import { type Outcome, send } from "../../../src/webhooks/send.ts";
import { type DnsServer, startDnsServer } from "../../../testkit/dns-server.ts";
import { Receiver } from "../../../testkit/receiver.ts";
import { addressInName, hostileUrls } from "./hostile-urls.ts";

const patience = 300_000;
/** Everything by which this machine can be called. */
const thisMachine = ["127.0.0.0/8", "0.0.0.0", "::", "::1", "::ffff:0.0.0.0", "::ffff:127.0.0.0/104"];
const payload = '{"type":"webhook.test","timestamp":"","data":{}}';
const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

function guardOf(options: GuardOptions): Guard {
  const guard = createGuard(options);
  ends.push(() => guard.close());
  return guard;
}

async function dnsOf(zone: Parameters<typeof startDnsServer>[0]): Promise<DnsServer> {
  const server = await startDnsServer(zone);
  ends.push(() => server.close());
  return server;
}

async function receiverAt(host: string, port = 0): Promise<Receiver> {
  const receiver = await Receiver.start({ host, port });
  // Every message dials anew.
  receiver.answer = (_, response) => void response.writeHead(204, { connection: "close" }).end();
  ends.push(() => receiver.close());
  return receiver;
}

/** Counts who connects, in whichever way, and hangs up. */
class Trap {
  connections = 0;
  readonly #server: Server = createServer((socket) => {
    this.connections += 1;
    socket.destroy();
  });

  async open(): Promise<number> {
    // Both families, every address of this machine.
    this.#server.listen(0, "::");
    await once(this.#server, "listening");
    const address: AddressInfo | string | null = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const attempt = async (guard: Guard, url: string): Promise<Outcome> =>
  (await send(guard.dispatcher, { url, headers: {}, payload }, patience)).outcome;

describe("hostile URLs", () => {
  let trap: Trap;
  let port: number;
  let urls: readonly string[];
  let dns: DnsServer;

  beforeAll(async () => {
    trap = new Trap();
    port = await trap.open();
    urls = hostileUrls(port);
    dns = await startDnsServer(addressInName);
  });
  afterAll(async () => {
    await trap.close();
    await dns.close();
  });

  test("are many, and none of them reaches anything, nor is it accepted", async () => {
    const guard = guardOf({ networks: [], ports: [443, 8443, port], names: dns.names });
    trap.connections = 0;
    expect(new Set(urls).size).toBeGreaterThan(160);
    for (const url of urls) {
      await expect(guard.acceptUrl(url), url).rejects.toMatchObject({ code: "malformed" });
      // Without the check at registration: what is dialled decides. What is no URL cannot be dialled.
      expect(["refused_address", "connection"], url).toContain(await attempt(guard, url));
    }
    expect(trap.connections).toBe(0);
  });

  test("of this machine are refused when they are dialled, not only for their looks", async () => {
    const guard = guardOf({ networks: [], ports: [port], names: dns.names });
    for (const url of [
      `https://127.0.0.1:${port}/`,
      `https://[::1]:${port}/`,
      `https://127.1.example:${port}/`,
    ]) {
      expect(await attempt(guard, url), url).toBe("refused_address");
    }
  });

  test("the control: with every network allowed many of them reach the trap", async () => {
    const guard = guardOf({ networks: thisMachine, names: dns.names });
    trap.connections = 0;
    let accepted = 0;
    for (const url of urls) {
      await guard.acceptUrl(url).then(
        () => (accepted += 1),
        () => undefined,
      );
      await attempt(guard, url);
    }
    expect(trap.connections).toBeGreaterThan(40);
    expect(accepted).toBeGreaterThan(40);
  });
});

describe("a name that changes what it stands for", () => {
  /** Answers with the good address first, then with the trap's, and so on. */
  async function rebinding() {
    const receiver = await receiverAt("127.0.0.2");
    const { port } = receiver;
    const trap = await receiverAt("127.0.0.1", port);
    let asked = 0;
    const dns = await dnsOf((_, family) => {
      if (family === 4) asked += 1;
      return [asked % 2 === 1 ? "127.0.0.2" : "127.0.0.1"];
    });
    return { receiver, trap, dns, url: `http://rebind.example:${port}/hook` };
  }

  test("is sent to where it was allowed at that moment: 200 times, never to the other address", async () => {
    const { receiver, trap, dns, url } = await rebinding();
    const guard = guardOf({ networks: ["127.0.0.2"], names: dns.names });
    const outcomes: Outcome[] = [];
    for (let n = 0; n < 200; n += 1) outcomes.push(await attempt(guard, url));

    expect(trap.messages).toHaveLength(0);
    expect(new Set(outcomes)).toEqual(new Set(["delivered", "refused_address"]));
    expect(receiver.messages).toHaveLength(outcomes.filter((outcome) => outcome === "delivered").length);
    expect(receiver.messages.length).toBeGreaterThan(50);
  });

  test("the control: whoever checks first and looks it up again when dialling is led to the other address", async () => {
    const { trap, dns, url } = await rebinding();
    const { hostname, port } = new URL(url);
    const resolve = callbackify(async (name: string) => dns.names.resolve4(name));
    const careless = new Agent({
      connect: {
        lookup: (name, _options, done) =>
          resolve(name, (error, addresses) =>
            done(
              error,
              addresses.map((address) => ({ address, family: 4 })),
            ),
          ),
      },
    });
    ends.push(() => careless.destroy());
    for (let n = 0; n < 10; n += 1) {
      const [checked] = await dns.names.resolve4(hostname);
      if (checked !== "127.0.0.2") continue;
      await request(`http://rebind.example:${port}/hook`, {
        method: "POST",
        body: payload,
        dispatcher: careless,
      });
    }
    expect(trap.messages.length).toBeGreaterThan(0);
  });

  test("with addresses of both kinds is sent to the allowed one alone", async () => {
    const receiver = await receiverAt("127.0.0.2");
    const trap = await receiverAt("127.0.0.1", receiver.port);
    const dns = await dnsOf(() => ["127.0.0.1", "127.0.0.2", "::1"]);
    const guard = guardOf({ networks: ["127.0.0.2"], names: dns.names });

    expect(await attempt(guard, `http://both.example:${receiver.port}/`)).toBe("delivered");
    expect([receiver.messages.length, trap.messages.length]).toEqual([1, 0]);
  });
});

describe("a redirect", () => {
  test.each([301, 302, 303, 307, 308])("of status %i is an answer, and is not followed", async (status) => {
    const receiver = await receiverAt("127.0.0.1");
    const target = await receiverAt("127.0.0.1");
    receiver.answer = (_, response) => void response.writeHead(status, { location: target.url }).end();
    const guard = guardOf({ networks: ["127.0.0.1"] });

    expect(await send(guard.dispatcher, { url: receiver.url, headers: {}, payload }, patience)).toEqual({
      outcome: "redirected",
      status,
    });
    expect(target.messages).toHaveLength(0);
  });
});

describe("what may be sent to", () => {
  test("is kept as it is dialled: lower case, no dot at the end, no fragment, names in ASCII", async () => {
    const dns = await dnsOf(() => ["93.184.215.14"]);
    const guard = guardOf({ networks: [], names: dns.names });

    expect(await guard.acceptUrl("HTTPS://Hooks.Example./In?key=1#there")).toBe(
      "https://hooks.example/In?key=1",
    );
    expect(await guard.acceptUrl("https://bücher.example:8443")).toBe("https://xn--bcher-kva.example:8443/");
  });

  test.each([
    ["http://hooks.example/", "port 443 or 8443"],
    ["https://hooks.example:22/", "port 443 or 8443"],
    ["https://hooks.example:6379/", "port 443 or 8443"],
    ["https://user@hooks.example/", "must not contain a user name"],
    ["https://:password@hooks.example/", "must not contain a user name"],
    ["ftp://hooks.example/", "https://"],
    ["hooks.example", "not a URL"],
  ])("is not %s, and the answer says why", async (url, why) => {
    const dns = await dnsOf(() => ["93.184.215.14"]);
    const guard = guardOf({ networks: [], names: dns.names });

    await expect(guard.acceptUrl(url)).rejects.toMatchObject({
      code: "malformed",
      detail: expect.stringContaining(why),
    });
  });

  test("a name of a private address is answered as one that does not exist: nobody learns what there is inside", async () => {
    const dns = await dnsOf((name) => (name === "inside.example" ? ["10.1.2.3"] : []));
    const guard = guardOf({ networks: [], names: dns.names });
    const answerTo = async (url: string): Promise<unknown> =>
      guard.acceptUrl(url).catch((error: unknown) => (error instanceof Error ? error.message : error));

    expect(await answerTo("https://inside.example/")).toBe(await answerTo("https://outside.example/"));
    expect(await attempt(guard, "https://inside.example/")).toBe(
      await attempt(guard, "https://outside.example/"),
    );
  });

  test("in a network that the operator allows is anything, by http and at any port", async () => {
    const receiver = await receiverAt("127.0.0.1");
    const guard = guardOf({ networks: ["127.0.0.0/24", "::1"] });

    expect(await guard.acceptUrl(receiver.url)).toBe(receiver.url);
    expect(await attempt(guard, receiver.url)).toBe("delivered");
    await expect(guard.acceptUrl(receiver.url.replace("127.0.0.1", "127.0.1.1"))).rejects.toMatchObject({
      code: "malformed",
    });
  });
});
