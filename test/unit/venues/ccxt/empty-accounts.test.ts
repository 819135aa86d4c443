import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createVenues, type Venues } from "../../../../src/venues/index.ts";
import { madeUpKey } from "../../../../src/venues/process/made-up-key.ts";
import type { CallTarget } from "../../../../src/venues/venue.ts";
import { Loopback } from "../loopback.ts";
import { credentialsOf, ecPem, inspectAt, performerAt, venueIds, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});
beforeEach(() => venue.forget());
afterAll(() => venue[Symbol.asyncDispose]());

describe("the key of an account that holds nothing", () => {
  test.each([
    ["bequant", []],
    ["independentreserve", []],
    ["toobit", { balances: [], userId: "1" }],
    ["bigone", { code: 0, data: [] }],
    ["btse", { code: 1, msg: "Success", success: true, data: [] }],
    ["whitebit", { result: [] }],
    ["cex", { ok: "ok", data: {} }],
    ["deribit", { jsonrpc: "2.0", result: { summaries: [] }, usIn: 1, testnet: false }],
    ["p2b", { success: true, errorCode: "", message: "", result: {} }],
    ["coinone", { result: "success", error_code: "0", balances: [] }],
    ["bithumb", { status: "0000", data: {} }],
    ["htx", { status: "ok", data: { id: 1, type: "spot", state: "working", list: [] } }],
  ])("is valid where the answer is the one that it has (%s)", async (id, body) => {
    venue.sayJson(body);
    expect(await inspectAt(perform, id)).toMatchObject({
      outcome: "valid",
      permissions: { read: "yes", withdraw: "unknown" },
    });
  });

  test.each([
    ["bigone", { code: 40004, data: [], message: "unauthorized" }],
    ["btse", { success: false, data: [] }],
    ["cex", { ok: "ok", data: { error: "Invalid key" } }],
    ["deribit", { error: { code: 99_999, message: "x" }, result: [] }],
    ["whitebit", { status: "denied", result: [] }],
    ["bequant", { hello: "world" }],
    ["toobit", { balances: [], msg: "The key is not allowed" }],
    ["independentreserve", { Message: "x" }],
  ])("is not taken for valid for an error that has the same parts (%s %j)", async (id, body) => {
    venue.sayJson(body);
    expect((await inspectAt(perform, id)).outcome).not.toBe("valid");
  });

  test("is valid for an empty list only where the balance is a list", async () => {
    venue.say({ body: "[]" });
    const believers: string[] = [];
    for (const id of venueIds) if ((await inspectAt(perform, id)).outcome === "valid") believers.push(id);
    expect(believers).toEqual(expect.arrayContaining(["bitfinex", "bitvavo", "upbit"]));
    for (const id of ["kraken", "binance", "bigone", "deribit", "luno", "alpaca", "massive"])
      expect(believers).not.toContain(id);
  });
});

describe("an answer that may be a refusal", () => {
  let venues: Venues | undefined;
  const open = () => (venues = createVenues({ hosts: { hollaex: venue.url }, processes: 1 }));
  afterEach(async () => {
    await venues?.close();
  });

  const known = new Set<string>();
  const targetOf = (tenantId: string): CallTarget => {
    const texts = credentialsOf("hollaex");
    known.add(texts.get("api_key") ?? "");
    const fields = new Map([...texts].map(([name, text]) => [name, Secret.fromText(text)] as const));
    return { tenantId, environment: "live", fields };
  };
  const keyIn = (headers: Readonly<Record<string, unknown>>): string => String(headers["api-key"]);
  const answerBy = (refused: Readonly<{ status: number; body: string }>): void =>
    venue.reply(({ headers }, response) => {
      const isKnown = known.has(keyIn(headers));
      response.writeHead(isKnown ? 200 : refused.status, { "content-type": "application/json" });
      response.end(isKnown ? "{}" : refused.body);
    });

  test("is held against how the venue refuses a key that was made up, once for all tenants", async () => {
    answerBy({ status: 401, body: '{"message":"Access denied: Invalid API Key"}' });
    const hollaex = open().get("hollaex");
    for (const tenant of ["one", "two", "three"]) {
      expect((await hollaex?.inspect(targetOf(tenant)))?.outcome).toBe("valid");
    }
    const strange = venue.received.map(({ headers }) => keyIn(headers)).filter((key) => !known.has(key));
    expect(strange).toHaveLength(1);
    expect(venue.received).toHaveLength(4);
  });

  test("proves nothing where a key that was made up gets the same, and the venue is asked no second time", async () => {
    answerBy({ status: 200, body: "{}" });
    const hollaex = open().get("hollaex");
    const first = await hollaex?.inspect(targetOf("one"));
    expect(first).toEqual({
      outcome: "unproven",
      message: expect.stringContaining("nothing proves the key"),
    });
    expect((await hollaex?.inspect(targetOf("two")))?.outcome).toBe("unproven");
    expect(venue.received).toHaveLength(3);
  });

  test("proves nothing while the venue cannot be asked how it refuses", async () => {
    answerBy({ status: 503, body: "<html>503</html>" });
    expect((await open().get("hollaex")?.inspect(targetOf("one")))?.outcome).toBe("unproven");
  });
});

describe("a key that was made up", () => {
  test.each([
    ["hexadecimal", "4f2a9c1b7d6e4f2a9c1b7d6e4f2a9c1b", /^[0-9a-f]{32}$/],
    ["a wallet's", `0x${"ab".repeat(20)}`, /^0x[0-9a-f]{40}$/],
    ["base 64", "q83vEjRWeJCrze8SNFZ4kA==", /^[A-Za-z0-9+/]{22}==$/],
    ["base 58", "4f3KzB9mLQ7RxT2v", /^[1-9A-HJ-NP-Za-km-z]{16}$/],
    ["with a word before it", "account-X7f9Qz", /^account-[A-Za-z0-9]{6}$/],
    ["a private key", ecPem(), /^-----BEGIN EC PRIVATE KEY-----\n/],
  ])("has the form of the one that it stands for (%s)", async (_form, value, form) => {
    const made = (await madeUpKey(new Map([["api_key", value]]))).get("api_key") ?? "";
    expect(made).toMatch(form);
    expect(made).not.toBe(value);
  });
});
