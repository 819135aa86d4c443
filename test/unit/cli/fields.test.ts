import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { collectFields, fitFields } from "../../../src/cli/fields.ts";
import { fieldNames } from "../../../src/venues/venue.ts";

/** Stands where plaintext would stand. */
const canary = "cAnArY-7f3a-0123456789";

const venueOf = (id: string, fields: readonly string[], environments: readonly string[] = ["live"]) => ({
  id,
  name: id.toUpperCase(),
  environments: [...environments],
  fields: [...fields],
  operations: [],
  transfer_accounts: [],
  egress_addresses: [],
  provable: true,
});
const keyed = venueOf("keyed", ["api_key", "api_secret"]);
const phrased = venueOf("phrased", ["api_key", "api_secret", "passphrase"]);
const wallet = venueOf("wallet", ["uid", "wallet_address", "private_key"]);

describe("the fields of a secret", () => {
  test.for([
    ["Keyhold's own names", phrased, { api_key: "a", api_secret: "b", passphrase: "c" }],
    ["ccxt's names", phrased, { apiKey: "a", secret: "b", password: "c" }],
    ["the names of Alpaca's SDKs", keyed, { keyId: "a", secretKey: "b" }],
    ["the same in the other spelling", keyed, { key_id: "a", secret_key: "b" }],
    ["ccxt's names of a wallet", wallet, { uid: "a", walletAddress: "b", privateKey: "c" }],
  ] as const)("are known by %s", ([, venue, values]) => {
    expect(fitFields(venue, values, {})).toEqual({
      secret: Object.fromEntries(venue.fields.map((field, at) => [field, "abc"[at]])),
    });
  });

  const good = { api_key: canary, api_secret: canary };
  test.for([
    [
      "is not known",
      { ...good, note: canary },
      [
        "note is not known (--leave-out passes over it)",
        expect.stringContaining("KEYED has api_key (also called key"),
      ],
    ],
    ["belongs to other venues", { ...good, password: canary }, ["password is not used at KEYED"]],
    ["is missing", { api_key: canary }, ["api_secret is missing"]],
    ["is empty", { ...good, api_secret: "" }, ["api_secret is missing"]],
    ["is a number", { ...good, api_key: 7 }, ["api_key is not a text"]],
    ["is an object", { ...good, api_secret: { value: canary } }, ["api_secret is not a text"]],
    ["stands there under two names", { ...good, secret: canary }, ["secret is a second api_secret"]],
    [
      "is called by the key itself",
      { [canary]: canary },
      [
        "a field whose name is not a word is not known (--leave-out passes over it)",
        "api_key is missing",
        "api_secret is missing",
        expect.stringContaining("KEYED has api_key"),
      ],
    ],
  ] as const)("are refused by name when one %s", ([, values, problems]) => {
    expect(fitFields(keyed, values, {})).toEqual({ problems });
  });

  test("are none of what is left out, or is empty where nothing is needed", () => {
    const values = { ...good, passphrase: "", uid: null, created_at: "2019-01-01" };
    expect(fitFields(keyed, values, { leaveOut: ["created_at"] })).toEqual({ secret: good });
  });

  test.for([
    ["freqtrade", keyed, { key: "a", secret: "b" }],
    ["OctoBot", phrased, { "api-key": "a", "api-secret": "b", "api-password": "c" }],
    ["a shell", phrased, { API_KEY: "a", API_SECRET: "b", PASSPHRASE: "c" }],
    ["a shell with the venue's name before each", keyed, { KEYED_API_KEY: "a", KEYED_SECRET_KEY: "b" }],
    [
      "a shell with another name of the venue",
      venueOf("gate", ["api_key", "api_secret"]),
      { GATEIO_KEY: "a", GATEIO_SECRET: "b" },
    ],
    ["freqtrade's variables", keyed, { FREQTRADE__EXCHANGE__KEY: "a", FREQTRADE__EXCHANGE__SECRET: "b" }],
    [
      "Alpaca's variables",
      venueOf("alpaca", ["api_key", "api_secret"]),
      { APCA_API_KEY_ID: "a", APCA_API_SECRET_KEY: "b", APCA_API_BASE_URL: "https://x" },
    ],
    [
      "Alpaca's headers",
      venueOf("alpaca", ["api_key", "api_secret"]),
      { "APCA-API-KEY-ID": "a", "APCA-API-SECRET-KEY": "b" },
    ],
    [
      "OKX's headers",
      phrased,
      { "OK-ACCESS-KEY": "a", "OK-ACCESS-SECRET": "b", "OK-ACCESS-PASSPHRASE": "c" },
    ],
    [
      "OKX's page",
      venueOf("okx", ["api_key", "api_secret", "passphrase"]),
      {
        apikey: "a",
        secretkey: "b",
        Passphrase: "c",
        IP: "1.2.3.4",
        "API key name": "x",
        Permissions: "Read",
      },
    ],
    ["cloud consoles", keyed, { accessKey: "a", accessKeySecret: "b" }],
    ["Kraken's page", keyed, { "API Key": "a", "Private Key": "b" }],
    [
      "Coinbase's file",
      venueOf("coinbase", ["api_key", "api_secret"]),
      {
        name: "a",
        id: "x",
        principalType: "USER",
        publicKey: "x",
        privateKey: "b",
        scopes: [],
        allowedIps: [],
        enabled: true,
      },
    ],
    ["Coinbase's newer file", venueOf("coinbase", ["api_key", "api_secret"]), { id: "a", privateKey: "b" }],
    [
      "a venue that has a private key alone",
      venueOf("any", ["api_key", "private_key"]),
      { key: "a", secret_key: "b" },
    ],
  ] as const)("are known by the names of %s", ([, venue, values]) => {
    expect(fitFields(venue, values, {})).toEqual({
      secret: Object.fromEntries(venue.fields.map((field, at) => [field, "abc"[at]])),
    });
  });

  test.for(["BYBIT_API_KEY", "public_key", "name", "ssh_key", "monkey", "id"])(
    "are not guessed from %s",
    (name) => {
      expect(fitFields(keyed, { [name]: "a", api_secret: "b" }, {})).toMatchObject({
        problems: [
          `${name} is not known (--leave-out passes over it)`,
          "api_key is missing",
          expect.anything(),
        ],
      });
    },
  );

  test("are what a person says that they are", () => {
    const field = collectFields("login=api_key", collectFields("a=b=api_secret"));
    expect(fitFields(keyed, { login: "a", "a=b": "b" }, { field })).toEqual({
      secret: { api_key: "a", api_secret: "b" },
    });
    for (const wrong of ["login", "login=key", "=api_key", ""])
      expect(() => collectFields(wrong)).toThrow("Write theirs=ours");
  });

  test("are judged by their names alone where the service judges the rest", () => {
    expect(fitFields(keyed, { PASSPHRASE: "c" }, {}, "names")).toEqual({ secret: { passphrase: "c" } });
    expect(fitFields(keyed, { key: "a", api_key: "b", x: "c" }, {}, "names")).toMatchObject({
      problems: [
        "api_key is a second api_key",
        "x is not known (--leave-out passes over it)",
        expect.anything(),
      ],
    });
  });

  test("end without the line breaks that files end with, and keep all else", () => {
    const values = { api_key: "a\n", api_secret: "\\n b\r\n\r\n", passphrase: " c \n" };
    expect(fitFields(phrased, values, {})).toEqual({
      secret: { api_key: "a", api_secret: "\\n b", passphrase: " c " },
    });
  });
});

describe("the guide to importing", () => {
  const guide = readFileSync(new URL("../../../docs/guides/importing.md", import.meta.url), "utf8");
  const rows = [...guide.matchAll(/^\| `(\w+)` +\| (`.*`) +\|$/gm)];

  test("has every name of every field, and the import knows them", () => {
    expect(rows.map(([, field]) => field)).toEqual(fieldNames);
    for (const [, field = "", names = ""] of rows)
      for (const [, name = ""] of names.matchAll(/`(\w+)`/g))
        expect(fitFields(venueOf("any", [field]), { [name]: "x" }, {})).toEqual({ secret: { [field]: "x" } });
  });
});
