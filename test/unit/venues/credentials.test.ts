import { generateKeyPairSync, randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { FieldName } from "../../../src/venues/venue.ts";
import { Loopback } from "./loopback.ts";
import { credentialsOf, ecPem, inspectAt, performerAt, venueIds, type Perform } from "./samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});

beforeEach(() => {
  venue.forget();
  venue.sayJson({ error: "unauthenticated" }, 401);
});

afterAll(() => venue[Symbol.asyncDispose]());

const withField = (id: string, name: FieldName, text: string) =>
  new Map([...credentialsOf(id), [name, text]]);
const malformed = { outcome: "rejected", reason: "malformed" };

describe("a malformed credential", () => {
  test.each([
    ["a line break inside", "kraken", "api_key", "abc\ndef"],
    ["a carriage return inside", "binance", "api_key", "abc\rdef"],
    ["a letter that no header can hold", "okx", "api_key", "abcé"],
    ["a sign that no header can hold", "alpaca", "api_secret", "abc€"],
    ["an invisible sign", "massive", "api_key", "abc\u200b"],
    ["a secret that is not base64", "kraken", "api_secret", "this is not base64!"],
    ["a PEM that is cut off", "coinbase", "api_secret", "-----BEGIN EC PRIVATE KEY-----\nMHcC"],
    [
      "a key of a kind that cannot sign",
      "binance",
      "api_secret",
      "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    ],
  ] as const)("with %s (%s) is rejected and never sent", async (_name, id, field, text) => {
    expect(await inspectAt(perform, id, withField(id, field, text))).toMatchObject(malformed);
    expect(venue.received).toEqual([]);
  });

  test("is told apart from one that is only wrong", async () => {
    expect(await inspectAt(perform, "coinbase")).toMatchObject({ outcome: "ambiguous" });
    expect(venue.received).toHaveLength(1);
  });
});

describe("a credential as people paste it", () => {
  test("loses the blanks around it", async () => {
    await inspectAt(perform, "massive", new Map([["api_key", "  \tabcdef123456\r\n"]]));
    expect(venue.received[0]?.headers.authorization).toBe("Bearer abcdef123456");
  });

  test.each([
    ["line breaks", (pem: string) => pem],
    ["the two characters \\n for them", (pem: string) => pem.replaceAll("\n", "\\n")],
    ["Windows line breaks", (pem: string) => pem.replaceAll("\n", "\r\n")],
    ["no last line break", (pem: string) => pem.trim()],
  ])("may hold a PEM with %s", async (_name, paste) => {
    await inspectAt(perform, "coinbase", withField("coinbase", "api_secret", paste(ecPem())));
    expect(venue.received[0]?.headers.authorization).toMatch(/^Bearer ey/);
  });

  test("may hold an Ed25519 secret of Coinbase's form", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    const raw = (key: typeof privateKey, type: "pkcs8" | "spki") =>
      key.export({ format: "der", type }).subarray(-32);
    const secret = Buffer.concat([raw(privateKey, "pkcs8"), raw(publicKey, "spki")]).toString("base64");
    await inspectAt(perform, "coinbase", withField("coinbase", "api_secret", secret));
    expect(venue.received[0]?.headers.authorization).toMatch(/^Bearer ey/);
  });
});

describe("what a venue is told of the client", () => {
  const markers =
    /ccxt|p4sve|chrome|mozilla|x-channel-api-code|x-gate-channel|partner|broker|referer|x-source-key/i;

  test("is its name and no mark of a library, at every venue", async () => {
    expect("KC-API-PARTNER: ccxt").toMatch(markers);
    for (const id of venueIds) await inspectAt(perform, id);
    expect(venue.received.length).toBeGreaterThan(90);
    for (const { headers, body } of venue.received) {
      expect(headers["user-agent"]).toBe("keyhold");
      const { host: _host, ...rest } = headers;
      const ours = Object.fromEntries(
        Object.entries(rest).filter(([name]) => !/sign|authorization/i.test(name)),
      );
      expect(JSON.stringify({ ours, body })).not.toMatch(markers);
    }
  });
});

describe("what comes back from a venue process", () => {
  const canary = `canary${randomBytes(10).toString("hex")}`;

  test("never shows a secret that the venue repeats", async () => {
    const fields = withField("binance", "api_key", canary);
    venue.sayJson(
      { code: -2014, msg: `API-key ${canary} is invalid: https://x.example/?apiKey=${canary}` },
      401,
    );
    const verdict = await inspectAt(perform, "binance", fields);
    expect(verdict).toMatchObject({
      outcome: "rejected",
      message: expect.stringContaining("API-key [removed]"),
    });
    expect(JSON.stringify(verdict)).not.toContain(canary);
    // The control: the same answer for a credential that does not hold the word keeps it.
    expect(JSON.stringify(await inspectAt(perform, "binance"))).toContain(canary);
  });

  test.each(["binance", "htx", "mexc", "bitstamp", "gate"])(
    "never shows a URL with its key and signature (%s)",
    async (id) => {
      venue.say({ status: 404, body: "<html>not here</html>" });
      const verdict = await inspectAt(perform, id, withField(id, "api_key", canary));
      const { url = "" } = venue.received[0] ?? {};
      const query = url.split("?")[1] ?? "";
      const text = JSON.stringify(verdict);
      expect(text).not.toContain(canary);
      if (query !== "") expect(text).not.toContain(query);
      expect(text).not.toMatch(/signature=/i);
    },
  );

  test("never shows what went wrong inside", async () => {
    venue.reply((_request, response) => response.writeHead(200).end("[".repeat(100_000)));
    expect((await inspectAt(perform, "okx")).outcome).toBe("unexpected_answer");
  });
});
