import { generateKeyPairSync, randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAdapters } from "../../../../src/venues/adapters.ts";
import { classOf } from "../../../../src/venues/ccxt/generate.ts";
import { exchangeList } from "../../../../src/venues/ccxt/list.ts";
import { exchangeTable } from "../../../../src/venues/exchanges/index.ts";
import type { Environment, FieldName } from "../../../../src/venues/venue.ts";
import { Loopback } from "../loopback.ts";
import { credentialsOf, inspectAt, performerAt, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});
afterAll(() => venue[Symbol.asyncDispose]());

const descriptions = [...createAdapters().values()].map(({ description }) => description);

/** Secrets in the forms that one exchange or another signs with. */
function* secretsOf(): Generator<Partial<Record<FieldName, string>>> {
  yield {};
  yield { api_secret: randomBytes(32).toString("base64") };
  yield { api_secret: randomBytes(16).toString("hex"), private_key: randomBytes(32).toString("hex") };
  yield { api_secret: "4".repeat(44), private_key: "4".repeat(88) };
  const { privateKey } = generateKeyPairSync("ed25519");
  yield { private_key: privateKey.export({ type: "pkcs8", format: "pem" }) };
}

async function asks(id: string, environment: Environment): Promise<boolean> {
  for (const secret of secretsOf()) {
    const given = Object.entries(secret);
    const fields = new Map(credentialsOf(id));
    for (const [name, value] of given) if (isField(name) && fields.has(name)) fields.set(name, value);
    venue.forget();
    await inspectAt(perform, id, fields, environment);
    if (venue.received.length > 0) return true;
  }
  return false;
}

function isField(name: string): name is FieldName {
  return name === "api_secret" || name === "private_key";
}

describe("an environment that is listed", () => {
  test("takes keys: the venue is asked about one, wherever a key can be proved", async () => {
    const mute: string[] = [];
    for (const { id, environments, provable } of descriptions.filter((it) => it.provable)) {
      expect(provable).toBe(true);
      for (const environment of environments)
        if (!(await asks(id, environment))) mute.push(`${id} ${environment}`);
    }
    expect(mute).toEqual([]);
  });

  test("is asked about no key where none can be proved", async () => {
    const unprovable = descriptions.filter((it) => !it.provable).map(({ id }) => id);
    expect(unprovable).toEqual(expect.arrayContaining(["hyperliquid", "dydx", "ndax"]));
    for (const id of unprovable) expect(await asks(id, "live"), id).toBe(false);
  });

  test("is not the sandbox of another exchange", () => {
    const hostsIn = (id: string, name: "api" | "test") =>
      hostsOf(new (classOf(id))({}).urls[name]).filter((host) => !host.includes("{"));
    const sandboxes = exchangeList.filter(({ id, sandbox }) => sandbox && !exchangeTable.has(id));
    expect(sandboxes.length).toBeGreaterThan(20);
    const shared = sandboxes.flatMap(({ id }) =>
      sandboxes
        .filter((other) => other.id !== id)
        .filter((other) => hostsIn(id, "test").some((host) => hostsIn(other.id, "test").includes(host)))
        .filter((other) => !hostsIn(id, "api").some((host) => hostsIn(other.id, "api").includes(host)))
        .map((other) => `${id} and ${other.id}`),
    );
    expect(shared).toEqual([]);
  });
});

function hostsOf(urls: unknown): string[] {
  if (typeof urls === "string") return URL.canParse(urls) ? [new URL(urls).host] : [];
  return typeof urls === "object" && urls !== null ? Object.values(urls).flatMap(hostsOf) : [];
}
