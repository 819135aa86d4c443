import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { describeVariables, readClientConfig, readConfig } from "../../../src/config/config.ts";
import { StartError } from "../../../src/errors.ts";

const external = {
  DATABASE_URL: "postgres://app@db/keyhold",
  KEYHOLD_KEY_FILE: "/keys/kek",
  KEYHOLD_LOCAL_ISSUER: "on",
};
const issuer = {
  issuer: "https://login.example.com",
  audience: "keyhold",
  algorithms: ["ES256"],
  tenants: "*",
};

function refusal(environment: Record<string, string>): string {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof StartError) return error.message;
    throw error;
  }
  throw new Error("the configuration was accepted");
}

describe("the configuration", () => {
  it("needs no variable: embedded database, listeners on this machine, tokens of its own", () => {
    const config = readConfig({});

    expect(config.database.url).toBeNull();
    expect(config.database.tls).toBe("verify");
    expect(config.access).toEqual({ issuers: [], localIssuer: true });
    expect([config.http.host, config.metrics.host]).toEqual(["127.0.0.1", "127.0.0.1"]);
    expect(config.http.trustedProxies).toBe(false);
    expect(config.limits).toEqual({ requests: 100, reveals: 60, invokes: 600, failures: 300 });
    expect(config.keyFile).toBe(join(config.folder, "key-encryption.key"));
  });

  it("cannot be changed after the start", () => {
    const config = readConfig({ KEYHOLD_ISSUERS: JSON.stringify([issuer]) });

    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.access.issuers[0])).toBe(true);
  });

  it("takes a variable that is set to nothing as not set", () => {
    expect(readConfig({ KEYHOLD_PORT: "", DATABASE_URL: "" }).http.port).toBe(7070);
  });

  it("reads issuers from a file as well as from the variable itself", () => {
    const folder = mkdtempSync(join(tmpdir(), "keyhold-config-"));
    const file = join(folder, "issuers.json");
    writeFileSync(file, JSON.stringify([issuer]));

    expect(readConfig({ KEYHOLD_ISSUERS: file }).access.issuers).toEqual(
      readConfig({ KEYHOLD_ISSUERS: JSON.stringify([issuer]) }).access.issuers,
    );
    rmSync(folder, { recursive: true });
  });

  it("gives an issuer nothing that was not said: no operator, access tokens only, an hour", () => {
    expect(readConfig({ KEYHOLD_ISSUERS: JSON.stringify([issuer]) }).access.issuers[0]).toMatchObject({
      operator: false,
      typ: "at+jwt",
      max_age_seconds: 3600,
    });
  });

  it("reports names that look like ours and are not", () => {
    expect(
      readConfig({ KEYHOLD_DATABSE_TLS: "off", KEYHOLD_TEST_KEY: "x", PATH: "/bin" }).unknownVariables,
    ).toEqual(["KEYHOLD_DATABSE_TLS"]);
  });

  it("signs no tokens of its own beside a database of yours unless it is told to", () => {
    const issuers = { KEYHOLD_ISSUERS: JSON.stringify([issuer]) };

    expect(readConfig({ ...external, ...issuers, KEYHOLD_LOCAL_ISSUER: "" }).access.localIssuer).toBe(false);
    expect(readConfig({ ...external, ...issuers }).access.localIssuer).toBe(true);
  });
});

describe("a bad value stops the start with one sentence that does not repeat it", () => {
  const canary = "canary-7f3a";
  const bad: Record<string, string> = {
    KEYHOLD_PORT: canary,
    KEYHOLD_METRICS_PORT: "65536",
    KEYHOLD_DATABASE_TLS: "no-verify",
    KEYHOLD_LOCAL_ISSUER: "yes",
    KEYHOLD_REQUESTS_PER_MINUTE: "0",
    KEYHOLD_REVEALS_PER_MINUTE: "-1",
    KEYHOLD_INVOKES_PER_MINUTE: "1e3",
    KEYHOLD_VENUE_TIMEOUT_MS: "10s",
    KEYHOLD_VENUE_PROCESSES: "0",
    KEYHOLD_VENUE_HOSTS: `{"binance": "http://${canary}.example.com"}`,
    KEYHOLD_VENUE_PROXIES: `{"binance": "socks5://user:${canary}@proxy"`,
    KEYHOLD_EGRESS_ADDRESSES: `1.2.3.4, ${canary}`,
    KEYHOLD_TRUSTED_PROXIES: "10.0.0.0/33",
    KEYHOLD_BODY_LIMIT_BYTES: "12",
    KEYHOLD_LOG_LEVEL: "trace",
    KEYHOLD_DATABASE_CONNECTIONS: "1",
  };

  it.each(Object.entries(bad))("%s", (name, value) => {
    const message = refusal({ [name]: value });

    expect(message).toMatch(new RegExp(`^${name} must be .+\\.$`));
    expect(message).toContain(describeVariables().find((variable) => variable.name === name)?.accepts);
    expect(message).not.toContain(canary);
  });

  it.each([
    ["an HMAC, which makes whoever checks a token able to sign one", { algorithms: ["HS256"] }],
    ["no signature", { algorithms: ["none"] }],
    ["keys that travel in the clear", { jwks_uri: "http://login.example.com/keys" }],
    ["keys from nowhere", { issuer: "login" }],
    ["tenants that are not ids", { tenants: ["acme"] }],
    ["a field nobody knows", { tenant: "*" }],
    ["no audience", { audience: undefined }],
  ])("an issuer with %s", (_, change) => {
    expect(refusal({ KEYHOLD_ISSUERS: JSON.stringify([{ ...issuer, ...change }]) })).toMatch(
      /^KEYHOLD_ISSUERS must be/,
    );
  });

  it("an issuer that is named twice", () => {
    expect(refusal({ KEYHOLD_ISSUERS: JSON.stringify([issuer, issuer]) })).toMatch(
      /^KEYHOLD_ISSUERS must be/,
    );
  });

  it("a file of issuers that is not there", () => {
    expect(refusal({ KEYHOLD_ISSUERS: "/nowhere/issuers.json" })).toMatch(/^KEYHOLD_ISSUERS must be/);
  });

  it("an owner's database without a database", () => {
    expect(refusal({ KEYHOLD_OWNER_DATABASE_URL: "postgres://o@db/k" })).toMatch(
      /^KEYHOLD_OWNER_DATABASE_URL/,
    );
  });

  it("a database without a key file", () => {
    expect(refusal({ DATABASE_URL: "postgres://app@db/keyhold" })).toMatch(/^KEYHOLD_KEY_FILE must be set/);
  });

  it("a service that nobody could sign in to", () => {
    expect(refusal({ ...external, KEYHOLD_LOCAL_ISSUER: "off" })).toMatch(/^Nobody could sign in/);
  });
});

describe("the service's own tokens", () => {
  const issuers = { KEYHOLD_ISSUERS: JSON.stringify([issuer]) };

  it("are off as soon as an issuer is configured, with any database", () => {
    expect(readConfig(issuers).access.localIssuer).toBe(false);
    expect(readConfig({}).access.localIssuer).toBe(true);
    expect(readConfig({ ...issuers, KEYHOLD_LOCAL_ISSUER: "on" }).access.localIssuer).toBe(true);
  });

  it.each(["0.0.0.0", "::", "10.0.0.5", "keyhold.example.com", "localhost.example", "128.0.0.1"])(
    "are refused beside a listener on %s, which others can reach",
    (host) => {
      for (const environment of [{}, external, { ...issuers, KEYHOLD_LOCAL_ISSUER: "on" }])
        expect(refusal({ ...environment, KEYHOLD_HOST: host })).toMatch(
          /^KEYHOLD_HOST .*operator-key create/,
        );
      expect(readConfig({ ...issuers, KEYHOLD_HOST: host }).http.host).toBe(host);
    },
  );

  it.each(["127.0.0.1", "127.9.8.7", "::1", "localhost"])("go with a listener on %s", (host) => {
    expect(readConfig({ KEYHOLD_HOST: host }).access.localIssuer).toBe(true);
  });

  it("go with a worker, which has no listener", () => {
    expect(readConfig({ KEYHOLD_HOST: "0.0.0.0", KEYHOLD_ROLE: "worker" }).access.localIssuer).toBe(true);
  });
});

describe("the client's configuration", () => {
  it("finds the service on this machine unless told otherwise", () => {
    expect(readClientConfig({})).toEqual({ url: "http://127.0.0.1:7070", token: null });
  });

  it("refuses to show a token over a connection that anybody can read", () => {
    expect(() => readClientConfig({ KEYHOLD_URL: "http://keyhold.example.com" })).toThrow(
      /^KEYHOLD_URL must be/,
    );
  });
});

describe("the guide to the configuration", () => {
  const text = readFileSync(new URL("../../../docs/guides/configuration.md", import.meta.url), "utf8");
  const guide = text.replaceAll(/ {2,}/g, " ");

  it.each(describeVariables())("tells of $name what the service accepts", ({ name, accepts, fallback }) => {
    const without = fallback === null ? "–" : `\`${fallback}\``;
    expect(guide).toContain(`| \`${name}\` | ${without} | ${accepts} |`);
  });

  it("names no variable that the service does not read", () => {
    const named = new Set(guide.match(/\b(?:KEYHOLD_[A-Z_]*[A-Z]|DATABASE_URL)\b/g));
    expect([...named].toSorted()).toEqual(
      describeVariables()
        .map(({ name }) => name)
        .toSorted(),
    );
  });
});

test.each([
  [[{ ...issuer, algorithms: ["HS256"] }], " What is wrong is 0.algorithms.0."],
  [
    [issuer, { ...issuer, issuer: "https://b.example", audience: undefined }],
    " What is wrong is 1.audience.",
  ],
  [[{ ...issuer, jwksUri: "https://a.example" }], " There is no field 0.jwksUri."],
  ["[{", " It is no JSON."],
  ["/nowhere/issuers.json", " There is no file of that path that can be read."],
])("KEYHOLD_ISSUERS %j is refused with the place of the mistake", (value, ending) => {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  expect(refusal({ KEYHOLD_ISSUERS: text })).toMatch(/^KEYHOLD_ISSUERS must be a JSON list/);
  expect(refusal({ KEYHOLD_ISSUERS: text }).endsWith(ending), refusal({ KEYHOLD_ISSUERS: text })).toBe(true);
});

test("A DATABASE_URL that is set to nothing beside a key file is refused: a secret was not mounted", () => {
  expect(refusal({ DATABASE_URL: "", KEYHOLD_KEY_FILE: "/keys/kek" })).toMatch(
    /^DATABASE_URL is set to nothing/,
  );
  expect(readConfig({ DATABASE_URL: "" }).database.url).toBeNull();
  expect(readConfig({ KEYHOLD_KEY_FILE: "/keys/kek" }).database.url).toBeNull();
});
