import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { IssuedKey, KeyOptions } from "../../simulator/control.ts";
import { type Fault, fault } from "../../simulator/faults.ts";
import type { VenueId } from "../../simulator/venue.ts";
import { checkDue } from "../../src/credentials/check.ts";
import { type Answered, type ApiTenant, type ApiWorld, createApiWorld } from "../../testkit/api.ts";
import { makeDue } from "../../testkit/due.ts";

let api: ApiWorld;
let tenant: ApiTenant;
let accountId: string;

beforeAll(async () => {
  api = await createApiWorld();
});
afterAll(() => api.close());
beforeEach(async () => {
  control().reset();
  // Those of earlier tests would be refused as well, and hold what is refused here.
  await sql`truncate credentials cascade`.execute(api.world.database.owner);
  tenant = await api.createTenant();
  accountId = String((await tenant.owner.post("/api/v1/accounts", { name: "Main" })).json["id"]);
});

const control = () => api.world.simulator.control;
const at = (id: string): string => `/api/v1/credentials/${id}`;

function secretOf({ apiKey, apiSecret, passphrase }: IssuedKey): Record<string, string> {
  return { api_key: apiKey, api_secret: apiSecret, ...(passphrase === undefined ? {} : { passphrase }) };
}

async function register(key: IssuedKey): Promise<Answered> {
  return tenant.owner.post("/api/v1/credentials", {
    account_id: accountId,
    venue: key.venue,
    environment: key.environment,
    label: key.keyId,
    secret: secretOf(key),
  });
}

async function kept(key: IssuedKey): Promise<string> {
  const answered = await register(key);
  if (answered.status !== 201) throw new Error(`no credential was registered: ${answered.text}`);
  return String(answered.json["id"]);
}

async function count(): Promise<unknown> {
  return (await tenant.owner.get("/api/v1/credentials")).json["count"];
}

async function validate(id: string): Promise<Readonly<Record<string, unknown>>> {
  return (await tenant.owner.post(`${at(id)}/validate`)).json;
}

/** As if everything that has happened had happened so much earlier, and is to be looked at again. */
async function letPass(time: string): Promise<void> {
  await sql`update credentials set rejected_at = rejected_at - ${time}::interval,
    refused_since = refused_since - ${time}::interval`.execute(api.world.database.owner);
  await makeDue(api.world);
}

type Refusal = Readonly<{ venue: VenueId; how: string; answer: Fault; causes: readonly string[] }>;

/** Answers that cover more than the key: of a venue's own codes, of a gateway, and of a venue without a table. */
const ambiguous: readonly Refusal[] = [
  {
    venue: "binance",
    how: "-2015 for a key that was deleted",
    answer: fault.json(401, { code: -2015, msg: "Invalid API-key, IP, or permissions for action." }),
    causes: ["key", "permission", "address"],
  },
  {
    venue: "bybit",
    how: "10007",
    answer: fault.json(200, { retCode: 10007, retMsg: "User authentication failed.", result: {} }),
    causes: ["key", "secret", "permission"],
  },
  {
    venue: "coinbase",
    how: "a bare 401",
    answer: { kind: "answer", status: 401, body: "Unauthorized" },
    causes: ["key", "secret", "address", "clock"],
  },
  {
    venue: "gate",
    how: "a label that no table has, with 401",
    answer: fault.json(401, { label: "SESSION_CLOSED", message: "No access" }),
    causes: ["key", "secret", "environment", "permission", "address", "clock"],
  },
];

const signing = (venue: VenueId): KeyOptions => (venue === "coinbase" ? { signing: "es256" } : {});

describe.each(ambiguous)(
  "a refusal that covers more than the key ($venue: $how)",
  ({ venue, answer, causes }) => {
    test("is 422 at register, replace and rotate, with all possible causes, and nothing is stored", async () => {
      const key = control().addKey(venue, signing(venue));
      control().fail(venue, answer);
      const refused = await register(key);
      expect(refused).toMatchObject({
        status: 422,
        json: { code: "venue_ambiguous", outcome: "ambiguous", possible_causes: causes },
      });
      expect(await count()).toBe(0);
      control().clearFaults();
      const id = await kept(key);
      control().fail(venue, answer);
      const secret = secretOf(control().addKey(venue, signing(venue)));
      const headers = { "if-match": '"1"' };
      const replaced = await tenant.owner.send("PUT", `${at(id)}/secret`, { body: { secret }, headers });
      const rotated = await tenant.owner.send("POST", `${at(id)}/rotate`, { body: { secret }, headers });
      for (const { status, json } of [replaced, rotated]) {
        expect({ status, code: json["code"] }).toEqual({ status: 422, code: "venue_ambiguous" });
      }
      expect((await tenant.owner.get(at(id))).json).toMatchObject({ revision: 1, secret: { version: 1 } });
    });

    test("leaves a stored credential usable and degraded; it is asked about again and comes back by itself", async () => {
      const id = await kept(control().addKey(venue, signing(venue)));
      control().fail(venue, answer);
      expect(await validate(id)).toMatchObject({ is_valid: false, outcome: "ambiguous", status: "active" });
      await letPass("61 seconds");
      await checkDue(api.world.custody);
      await letPass("3 hours");
      await checkDue(api.world.custody);
      expect((await tenant.owner.get(at(id))).json).toMatchObject({ status: "active", health: "degraded" });
      control().clearFaults();
      const { json } = await tenant.owner.get(`${at(id)}/health`);
      const pause = Date.parse(String(json["next_check_at"])) - Date.now();
      expect(pause, "as long as it has lasted").toBeGreaterThan(2.5 * 3_600_000);
      await makeDue(api.world);
      await checkDue(api.world.custody);
      expect((await tenant.owner.get(at(id))).json).toMatchObject({ status: "active", health: "healthy" });
      const events = await tenant.owner.get(`/api/v1/audit/events?credential_id=${id}`);
      expect(events.text).toContain("credential.degraded");
      expect(events.text).toContain("credential.recovered");
    });

    test("ends it as invalid when it has lasted a day", async () => {
      const id = await kept(control().addKey(venue, signing(venue)));
      control().fail(venue, answer);
      await validate(id);
      await letPass("24 hours");
      await checkDue(api.world.custody);
      expect((await tenant.owner.get(at(id))).json).toMatchObject({
        status: "invalid",
        health_message: expect.stringContaining("24 hours"),
      });
    });
  },
);

describe("a clock that is off", () => {
  test.each([
    ["coinbase", 5 * 60_000],
    ["coinbase", -5 * 60_000],
  ] as const)("is seen in the Date of an answer (%s, %i ms), and ends no key", async (venue, skew) => {
    const key = control().addKey(venue, { signing: "ed25519" });
    const id = await kept(key);
    control().setClockSkew(venue, skew);
    expect(await register(control().addKey(venue, { signing: "ed25519" }))).toMatchObject({
      status: 503,
      json: { outcome: "clock_skew", detail: expect.stringContaining("Set the clock right") },
    });
    expect(await validate(id)).toMatchObject({ is_valid: null, outcome: "clock_skew", status: "active" });
    await letPass("48 hours");
    await validate(id);
    control().setClockSkew(venue, 0);
    expect(await validate(id)).toMatchObject({ is_valid: true, status: "active" });
  });
});

describe("a code that means the key alone", () => {
  test("ends a credential after one confirmation, and its owner is told at the first refusal", async () => {
    const key = control().addKey("okx");
    const id = await kept(key);
    control().revokeKey("okx", key.apiKey);
    expect(await validate(id)).toMatchObject({ is_valid: false, outcome: "rejected", status: "active" });
    expect((await tenant.owner.get(`/api/v1/audit/events?credential_id=${id}`)).text).toContain(
      "credential.degraded",
    );
    await letPass("61 seconds");
    await checkDue(api.world.custody);
    expect((await tenant.owner.get(at(id))).json).toMatchObject({ status: "invalid" });
  });

  test.each(["okx", "kucoin", "bitget"] as const)("calls a wrong passphrase that (%s)", async (venue) => {
    const key = control().addKey(venue);
    const refused = await register({ ...key, passphrase: "Another1!" });
    expect(refused).toMatchObject({
      status: 422,
      json: { code: "venue_rejected", reason: "bad_passphrase" },
    });
    expect(String(refused.json["detail"])).toMatch(/: the passphrase is invalid\./);
  });
});

describe("what a later try does not help", () => {
  const said = async (venue: VenueId, answer: Fault): Promise<string> => {
    control().fail(venue, answer);
    const refused = await register(control().addKey(venue));
    expect(refused).toMatchObject({ status: 503, json: { code: "venue_unavailable" } });
    expect(await count()).toBe(0);
    return String(refused.json["detail"]);
  };
  const page = (status: number, words: string): Fault => ({
    kind: "answer",
    status,
    headers: { "content-type": "text/html" },
    body: `<html><head><title>ERROR</title></head><body><p>${words}</p></body></html>`,
  });

  test.each<readonly [VenueId, Fault, string]>([
    [
      "bybit",
      page(403, "CloudFront is configured to block access from your country."),
      "block access from your country",
    ],
    ["mexc", page(403, "Access Denied"), "Access Denied"],
    [
      "binance",
      fault.json(451, { code: 0, msg: "Service unavailable from a restricted location." }),
      "restricted location",
    ],
    ["kucoin", fault.json(200, { code: "400302", msg: "Not available in your region." }), "in your region"],
    [
      "okx",
      fault.json(200, { code: "59998", msg: "Something that is new.", data: [] }),
      "Something that is new",
    ],
  ])("is not told to be tried later, and keeps the venue's words (%s)", async (venue, answer, words) => {
    const detail = await said(venue, answer);
    expect(detail).toContain(words);
    expect(detail).not.toMatch(/later\.$|try again later/);
  });

  test.each<readonly [VenueId, Fault]>([
    ["bybit", page(403, "403, access too frequent.")],
    ["gate", fault.status(503)],
    ["kraken", fault.reset],
  ])("is told from what passes (%s)", async (venue, answer) => {
    expect(await said(venue, answer)).toMatch(/try again later/);
  });
});

describe("a nonce that is behind", () => {
  const nonces = { microseconds: 1e3, nanoseconds: 1e6 } as const;

  test.each(Object.entries(nonces))("is overtaken where another program counts %s", async (_unit, factor) => {
    const lastNonce = String(BigInt(Date.now()) * BigInt(factor));
    const key = control().addKey("kraken", { lastNonce });
    const id = await kept(key);
    expect(await validate(id)).toMatchObject({ is_valid: true });
    await tenant.owner.send("PATCH", at(id), {
      body: { policy: { allow: ["read", "trade"] } },
      headers: { "if-match": '"1"' },
    });
    const params = { symbol: "BTC/USDT", type: "limit", side: "buy", amount: "0.5", price: "40000" };
    const order = { operation: "createOrder", params };
    const placed = await tenant.owner.post(`${at(id)}/invoke`, order, { "idempotency-key": "one" });
    expect(placed).toMatchObject({ status: 200, json: { outcome: "done" } });
    expect(control().account("kraken", key.account).orders).toHaveLength(1);
  });

  test("is left as it is where a second attempt is enough, so that the other program goes on", async () => {
    const key = control().addKey("kraken");
    const once = fault.json(200, { error: ["EAPI:Invalid nonce"] });
    control().fail("kraken", once, { times: 1 });
    await kept(key);
    expect(control().countRequests({ venue: "kraken" })).toBe(2);
    control().clearRequests();
    await kept(control().addKey("kraken", { account: key.account }));
    expect(control().countRequests({ venue: "kraken" }), "the control").toBe(1);
  });

  test("of which no clock counts larger ones is said to stay so", async () => {
    const refused = await register(control().addKey("kraken", { lastNonce: String(2n ** 64n - 1n) }));
    expect(refused).toMatchObject({ status: 503, json: { outcome: "nonce" } });
    expect(String(refused.json["detail"])).toMatch(/Make an API key/);
    expect(String(refused.json["detail"])).not.toMatch(/try again later/);
  });
});

describe("what a key may do", () => {
  test("a key of Bybit's demo trading is kept, whose key information is not offered there", async () => {
    const notOffered = fault.json(200, {
      retCode: 10032,
      retMsg: "Demo trading are not supported.",
      result: {},
    });
    control().fail("bybit", notOffered, { path: "/v5/user/query-api" });
    const key = control().addKey("bybit", { environment: "paper" });
    expect(await register(key)).toMatchObject({
      status: 201,
      json: { status: "active", permissions: { read: "yes", trade: "unknown", withdraw: "unknown" } },
    });
    control().revokeKey("bybit", key.apiKey);
    expect(await register({ ...key, keyId: "another label" })).toMatchObject({
      status: 422,
      json: { reason: "bad_key" },
    });
  });

  test.each([0, 1])(
    "a key that is read-only may do nothing, whatever it lists (readOnly %i)",
    async (readOnly) => {
      const permissions = {
        Wallet: ["AccountTransfer", "Withdraw"],
        FiatBitPay: ["FaitPayOrder"],
        ByXPost: ["ByXPost"],
      };
      const result = { readOnly, permissions, ips: ["*"], expiredAt: "1970-01-01T00:00:00Z", userID: 1 };
      control().fail("bybit", fault.json(200, { retCode: 0, retMsg: "", result }));
      const answered = await register(control().addKey("bybit"));
      expect(answered).toMatchObject(
        readOnly === 1
          ? {
              status: 201,
              json: { permissions: { read: "yes", trade: "no", withdraw: "no", unknown_words: [] } },
            }
          : { status: 422, json: { code: "withdraw_refused" } },
      );
    },
  );

  test.each([
    [-1, "no"],
    [1, "yes"],
  ])(
    "the end of the right to trade at Binance is not the end of the key (%i days ahead)",
    async (days, trade) => {
      const end = Date.now() + days * 86_400_000;
      const rights = {
        ipRestrict: false,
        createTime: 1_700_000_000_000,
        enableReading: true,
        enableWithdrawals: false,
        enableSpotAndMarginTrading: true,
        tradingAuthorityExpirationTime: end,
      };
      control().fail("binance", fault.json(200, rights));
      const answered = await register(control().addKey("binance"));
      expect(answered).toMatchObject({
        status: 201,
        json: { status: "active", expires_at: null, permissions: { trade } },
      });
      const id = String(answered.json["id"]);
      expect(await validate(id)).toMatchObject({ is_valid: true, status: "active", expires_at: null });
    },
  );
});
