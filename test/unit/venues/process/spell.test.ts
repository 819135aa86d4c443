import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, verify } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { spellFields } from "../../../../src/venues/process/spell.ts";
import type { FieldName } from "../../../../src/venues/venue.ts";
import { Loopback, type Received } from "../loopback.ts";
import { credentialsOf, inspectAt, performerAt, venueIds, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;
beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});
beforeEach(() => {
  venue.forget();
  venue.sayJson({ code: 1, message: "no" }, 401);
});
afterAll(() => venue[Symbol.asyncDispose]());

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
const ed25519 = generateKeyPairSync("ed25519").privateKey;

/** Whether the first request that arrived is signed with the key. The far side verifies with what the venue documents, not with ccxt. */
type IsSigned = (request: Received, key: KeyObject) => boolean;
const base64 = (text: string | string[] | null | undefined): Buffer => Buffer.from(String(text), "base64");

const bySignatureAtTheEnd: IsSigned = ({ url }, key) => {
  const [, query = "", signature = ""] = /\?(.*)&signature=([^&]+)$/.exec(url) ?? [];
  const digest = key.asymmetricKeyType === "ed25519" ? null : "sha256";
  return verify(digest, Buffer.from(query), createPublicKey(key), base64(decodeURIComponent(signature)));
};
const byHeaderOfBybit: IsSigned = ({ url, headers }, key) => {
  const { "x-bapi-timestamp": time, "x-bapi-api-key": name, "x-bapi-recv-window": window } = headers;
  const signed = `${String(time)}${String(name)}${String(window)}${url.split("?")[1] ?? ""}`;
  return verify("sha256", Buffer.from(signed), createPublicKey(key), base64(headers["x-bapi-sign"]));
};
const byToken: IsSigned = ({ headers }, key) => {
  const [header = "", payload = "", signature = ""] = (headers.authorization ?? "").slice(7).split(".");
  const isEdwards = key.asymmetricKeyType === "ed25519";
  const publicKey = { key: createPublicKey(key), dsaEncoding: "ieee-p1363" } as const;
  const signed = Buffer.from(`${header}.${payload}`);
  return verify(isEdwards ? null : "sha256", signed, publicKey, Buffer.from(signature, "base64url"));
};
const byHeaderOfRevolut: IsSigned = ({ url, method, headers }, key) => {
  const signed = `${String(headers["x-revx-timestamp"])}${method}${url.replace("?", "")}`;
  return verify(null, Buffer.from(signed), createPublicKey(key), base64(headers["x-revx-signature"]));
};
const byHeaderOfBackpack: IsSigned = ({ headers }, key) => {
  const { "x-timestamp": time, "x-window": window } = headers;
  const signed = `instruction=balanceQuery&timestamp=${String(time)}&window=${String(window)}`;
  return verify(null, Buffer.from(signed), createPublicKey(key), base64(headers["x-signature"]));
};

const pem = (key: KeyObject, type: "pkcs1" | "pkcs8" | "sec1" = "pkcs8"): string =>
  key.export({ format: "pem", type });
const seedFirst = (key: KeyObject, ...parts: readonly ("d" | "x")[]): string => {
  const jwk = key.export({ format: "jwk" });
  return Buffer.concat(parts.map((part) => Buffer.from(jwk[part] ?? "", "base64url"))).toString("base64");
};
const withoutPublicKey = (): string => {
  const d = Buffer.from(p256.export({ format: "jwk" }).d ?? "", "base64url");
  const der = Buffer.concat([
    Buffer.from("30310201010420", "hex"),
    d,
    Buffer.from("a00a06082a8648ce3d030107", "hex"),
  ]);
  return `-----BEGIN EC PRIVATE KEY-----\n${der.toString("base64")}\n-----END EC PRIVATE KEY-----`;
};

const spellings: readonly (readonly [string, (text: string) => string])[] = [
  ["as OpenSSL writes it", (text) => text],
  ["with Windows line breaks", (text) => text.replaceAll("\n", "\r\n")],
  ["with blanks for breaks", (text) => text.trim().replaceAll("\n", " ")],
  ["escaped twice and in quotes", (text) => JSON.stringify(text.replaceAll("\n", String.raw`\n`))],
  ["behind a byte order mark and a word", (text) => `\uFEFFkey: ${text}`],
];

describe("a private key signs at the venue, however it is written", () => {
  test.for([
    ["binance", "api_secret", ed25519, pem(ed25519), bySignatureAtTheEnd],
    ["binance", "api_secret", rsa, pem(rsa, "pkcs1"), bySignatureAtTheEnd],
    ["bybit", "api_secret", rsa, pem(rsa), byHeaderOfBybit],
    ["coinbase", "api_secret", p256, pem(p256, "sec1"), byToken],
    ["coinbase", "api_secret", p256, pem(p256), byToken],
    ["coinbase", "api_secret", p256, withoutPublicKey(), byToken],
    ["coinbase", "api_secret", ed25519, pem(ed25519), byToken],
    ["revolutx", "private_key", ed25519, pem(ed25519), byHeaderOfRevolut],
    ["backpack", "api_secret", ed25519, pem(ed25519), byHeaderOfBackpack],
  ] as const)("%s, %s", async ([id, field, key, text, isSigned]) => {
    for (const [name, write] of spellings) {
      venue.forget();
      await inspectAt(perform, id, new Map([...credentialsOf(id), [field, write(text)]]));
      const [request] = venue.received;
      expect([name, request !== undefined && isSigned(request, key)]).toEqual([name, true]);
    }
  });

  test("the control: a request that another key signed is found", async () => {
    await inspectAt(perform, "binance", new Map([...credentialsOf("binance"), ["api_secret", pem(ed25519)]]));
    const [request] = venue.received;
    const other = generateKeyPairSync("ed25519").privateKey;
    expect(request !== undefined && bySignatureAtTheEnd(request, other)).toBe(false);
  });

  test("and in the forms that a venue itself hands out", async () => {
    for (const [id, field, text] of [
      ["coinbase", "api_secret", seedFirst(ed25519, "d", "x")],
      ["backpack", "api_secret", seedFirst(ed25519, "d")],
      ["lbank", "api_secret", rsa.export({ format: "der", type: "pkcs8" }).toString("base64")],
      ["lbank", "api_secret", pem(rsa, "pkcs1")],
      ["revolutx", "private_key", ed25519.export({ format: "der", type: "pkcs8" }).toString("base64")],
    ] as const) {
      venue.forget();
      await inspectAt(perform, id, new Map([...credentialsOf(id), [field, text]]));
      expect([id, venue.received.length > 0]).toEqual([id, true]);
    }
  });
});

/** What is said of one field; `null` where it is taken. */
const problemAt = (id: string, field: FieldName, text: string): string | null => {
  const spelled = spellFields(id, new Map([[field, text]]));
  return "problem" in spelled ? spelled.problem : null;
};
const publicPem = createPublicKey(rsa).export({ format: "pem", type: "spki" });
const der = (key: KeyObject): Buffer => key.export({ format: "der", type: "pkcs8" });

describe("what no signer of the venue reads is refused by field and reason", () => {
  test.for([
    ["binance", "api_secret", pem(p256), "a key of the kind P-256; Ed25519 or RSA is taken"],
    ["bybiteu", "api_secret", pem(ed25519), "a key of the kind Ed25519; RSA is taken"],
    ["coinbase", "api_secret", pem(rsa), "a key of the kind RSA; P-256 or Ed25519 is taken"],
    ["okx", "api_secret", pem(rsa), "a private key, which this field does not take"],
    ["kraken", "api_secret", pem(ed25519), "a private key, which this field does not take"],
    ["binance", "passphrase", pem(rsa), "a private key, which this field does not take"],
    ["bybit", "api_key", publicPem, "a public key: send the name or id"],
    ["bybit", "api_secret", publicPem, "a public key: send the private key"],
    [
      "binanceus",
      "api_secret",
      der(ed25519).toString("base64"),
      "without its BEGIN and END lines: send the whole",
    ],
    ["coinbase", "api_secret", der(p256).toString("hex"), "without its BEGIN and END lines: send the whole"],
    [
      "gate",
      "api_secret",
      der(rsa).toString("base64"),
      "without its BEGIN and END lines, which this field does not take",
    ],
    [
      "revolutx",
      "private_key",
      `0x${randomBytes(32).toString("hex")}`,
      "is not a private key: send the whole PEM",
    ],
    ["krakenfutures", "api_secret", randomBytes(64).toString("base64").slice(0, -2), "cut off"],
    ["kraken", "api_secret", randomBytes(64).toString("base64").slice(1), "cut off"],
    ["coinbase", "api_secret", seedFirst(ed25519, "d", "x").replace(/=+$/, ""), "cut off"],
    ["btcmarkets", "api_secret", `_${randomBytes(64).toString("base64url").slice(1)}`, "URL-safe base64"],
    ["coinbaseexchange", "api_secret", "not, quite base64!", "is not base64"],
  ] as const)("%s %s", ([id, field, text, told]) => {
    const problem = problemAt(id, field, text);
    expect(problem).toMatch(new RegExp(`^${field} `));
    expect(problem).toContain(told);
    expect(problem).not.toContain(text.slice(0, 30));
  });

  test("and nothing leaves", async () => {
    const answer = await inspectAt(
      perform,
      "kraken",
      new Map([...credentialsOf("kraken"), ["api_secret", "AAA"]]),
    );
    expect(answer).toMatchObject({ outcome: "rejected", reason: "malformed" });
    expect(venue.received).toEqual([]);
  });

  test("while texts that venues make are taken as they are", () => {
    for (const id of venueIds) {
      const spelled = spellFields(id, credentialsOf(id));
      expect([id, "problem" in spelled ? spelled.problem : null]).toEqual([id, null]);
    }
    expect(problemAt("okx", "passphrase", `"quoted" & 'all'`)).toBeNull();
  });
});

test.for([randomBytes(32).toString("hex"), randomBytes(32).toString("base64")])(
  "a refusal of what may be a bare key says that a PEM is wanted",
  async (secret) => {
    const told = async (api_secret: string) =>
      inspectAt(perform, "binance", new Map([...credentialsOf("binance"), ["api_secret", api_secret]]));
    venue.sayJson({ code: -1022, msg: "Signature for this request is not valid." }, 400);
    expect(await told(secret)).toMatchObject({ message: expect.stringContaining("send it as a PEM file") });
    expect(JSON.stringify(await told("a shared secret"))).not.toContain("PEM");
  },
);
