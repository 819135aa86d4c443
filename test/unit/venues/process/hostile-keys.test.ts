import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createVenues, type PoolEvent, type Venues } from "../../../../src/venues/index.ts";
import type { FieldName } from "../../../../src/venues/venue.ts";
import { Loopback } from "../loopback.ts";
import {
  credentialsOf,
  firstEnvironment,
  inspectAt,
  performerAt,
  venueIds,
  type Perform,
} from "../samples.ts";

let venue: Loopback;
let perform: Perform;
let venues: Venues;
const events: PoolEvent[] = [];

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
  const hosts = Object.fromEntries(venueIds.map((id) => [id, venue.url]));
  venues = createVenues(
    { hosts, processes: 1, timeoutMs: 60_000 },
    { report: (event) => events.push(event) },
  );
});

beforeEach(() => {
  venue.forget();
  venue.sayJson({ error: "unauthenticated" }, 401);
});

afterAll(async () => {
  await venues.close();
  await venue[Symbol.asyncDispose]();
});

/** The same text in every field but the name of the key. */
const filled = (id: string, text: string): ReadonlyMap<FieldName, string> =>
  new Map([...credentialsOf(id)].map(([name, value]) => [name, name === "api_key" ? value : text]));

const large = generateKeyPairSync("rsa", { modulusLength: 5120 }).privateKey;

describe("a key that would sign too long is refused at every venue, and nothing is sent", () => {
  test.each([
    ["an RSA key of 5120 bits", large.export({ format: "pem", type: "pkcs8" })],
    ["the same on one line", large.export({ format: "pem", type: "pkcs1" }).replaceAll("\n", String.raw`\n`)],
    ["the same without its PEM lines", large.export({ format: "der", type: "pkcs8" }).toString("base64")],
    ["the same in hexadecimal", large.export({ format: "der", type: "pkcs1" }).toString("hex")],
    ["a number of 8000 digits", "9".repeat(8000)],
    ["a mnemonic without an end", "abandon ".repeat(1000).trim()],
  ])("%s", async (_, text) => {
    for (const id of venueIds) {
      const fields = filled(id, text);
      // Massive has nothing but an API key.
      if (![...fields.values()].includes(text)) continue;
      expect([id, await inspectAt(perform, id, fields)]).toMatchObject([id, { reason: "malformed" }]);
    }
    expect(venue.received).toEqual([]);
  });
});

const inProcess = async (id: string, fields: ReadonlyMap<FieldName, string>): Promise<string | undefined> => {
  const secrets = new Map([...fields].map(([name, text]) => [name, Secret.fromText(text)]));
  const target = { tenantId: id, environment: firstEnvironment(id), fields: secrets };
  return (await venues.get(id)?.inspect(target))?.outcome;
};

test("every venue works in a confined process as it does outside", async () => {
  const differing: string[] = [];
  for (const id of venueIds) {
    const fields = credentialsOf(id);
    const outside = (await inspectAt(perform, id, fields)).outcome;
    const inside = await inProcess(id, fields);
    if (inside !== outside) differing.push(`${id}: ${inside}, outside ${outside}`);
  }
  expect(differing).toEqual([]);
  expect(events).toEqual([]);
});

test.each([
  ["digits", "7".repeat(1024)],
  ["hexadecimal digits", `0x${"f".repeat(1022)}`],
  ["base58", "z".repeat(1024)],
  ["base64", "/".repeat(1024)],
  ["an order of a curve", "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"],
])("the longest text that is taken holds no process, whatever a signer makes of it (%s)", async (_, text) => {
  for (const id of venueIds) await inProcess(id, filled(id, text));
  expect(events).toEqual([]);
});
