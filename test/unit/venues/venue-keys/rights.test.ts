import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { exchangeTable } from "../../../../src/venues/exchanges/index.ts";
import { createPerformer, type Perform } from "../../../../src/venues/process/perform.ts";
import { createRecipient } from "../../../../src/venues/process/protocol.ts";
import { venueSettings } from "../../../../src/venues/settings.ts";
import type { FieldName } from "../../../../src/venues/venue.ts";
import { Loopback, type Received } from "../loopback.ts";
import { type KeyVenue, keyVenues } from "./desk.ts";

const apiKey = "current-api-key";
const [newKey, newSecret] = ["new-api-key", "new-api-secret"];
const marker = "kh0rotation";

/** What a venue answers to `<method> <path>`; a list of keys is made of the entry under test. */
type Answers = Readonly<Record<string, unknown>>;

/** One venue as its documents describe it, with the current key's entry in the list of keys. */
type Script = Readonly<{
  answers: (entry: object) => Answers;
  creation: string;
  /** A current key with rights of every kind that the API gives, and what a creation must ask for. */
  entry: object;
  asks: object;
}>;

const bybitRights = {
  ContractTrade: ["Order", "Position"],
  Spot: ["SpotTrade"],
  Options: ["OptionsTrade"],
  Wallet: ["AccountTransfer", "SubMemberTransferList"],
  Exchange: ["ExchangeHistory"],
  Earn: ["Earn"],
};

const gatePerms = ["wallet", "spot", "futures", "delivery", "earn", "options", "account", "unified"].map(
  (name, index) => ({ name, read_only: index % 2 === 0 }),
);

const okx = (...data: unknown[]) => ({ code: "0", msg: "", data });
const bitget = (data: unknown) => ({ code: "00000", msg: "success", data });
const kucoin = (data: unknown) => ({ code: "200000", data });
const bybit = (result: unknown) => ({ retCode: 0, retMsg: "OK", result });

const scripts: Readonly<Record<KeyVenue, Script>> = {
  bybit: {
    answers: (entry) => ({
      "GET /v5/user/query-api": bybit({ userID: 4711, isMaster: false }),
      "GET /v5/user/sub-apikeys": bybit({ result: [entry], nextPageCursor: "" }),
      "POST /v5/user/create-sub-api": bybit({ apiKey: newKey, secret: newSecret }),
    }),
    creation: "POST /v5/user/create-sub-api",
    entry: {
      apiKey,
      note: "by hand",
      ips: ["192.0.2.1", "192.0.2.2"],
      readOnly: false,
      permissions: { ...bybitRights, Derivatives: ["DerivativesTrade"], BlockTrade: [], NFT: null },
    },
    asks: {
      subuid: 4711,
      note: marker,
      readOnly: 0,
      permissions: bybitRights,
      ips: "192.0.2.1,192.0.2.2",
    },
  },
  okx: {
    answers: (entry) => ({
      "GET /api/v5/account/config": okx({ uid: "4711", mainUid: "1" }),
      "GET /api/v5/users/subaccount/list": okx({ subAcct: "desk01", uid: "4711", ts: "1" }),
      "GET /api/v5/users/subaccount/apikey": okx(entry),
      "POST /api/v5/users/subaccount/apikey": okx({ apiKey: newKey, secretKey: newSecret }),
    }),
    creation: "POST /api/v5/users/subaccount/apikey",
    entry: { apiKey, label: "by hand", perm: "read_only,trade", ip: "192.0.2.1,192.0.2.2" },
    asks: {
      subAcct: "desk01",
      label: marker,
      passphrase: expect.stringMatching(/^Kh1[a-z\d]{25}!$/),
      perm: "read_only,trade",
      ip: "192.0.2.1,192.0.2.2",
    },
  },
  kucoin: {
    answers: (entry) => ({
      "GET /api/v1/user/api-key": kucoin({ isMaster: false, subName: "desk01" }),
      "GET /api/v1/sub/api-key": kucoin([entry]),
      "POST /api/v1/sub/api-key": kucoin({ apiKey: newKey, apiSecret: newSecret }),
    }),
    creation: "POST /api/v1/sub/api-key",
    entry: {
      apiKey,
      remark: "by hand",
      permission: "General, Spot, Margin, Futures, InnerTransfer",
      ipWhitelist: "192.0.2.1,192.0.2.2",
    },
    asks: {
      subName: "desk01",
      passphrase: expect.stringMatching(/^Kh1[a-z\d]{25}$/),
      remark: marker,
      permission: "General,Spot,Margin,Futures,InnerTransfer",
      ipWhitelist: "192.0.2.1,192.0.2.2",
    },
  },
  bitget: {
    answers: (entry) => ({
      "GET /api/v3/account/info": bitget({ userId: "4711" }),
      "GET /api/v3/user/sub-api-list": bitget({ items: [entry], hasNext: "false", cursor: "18484" }),
      "POST /api/v3/user/create-sub-api": bitget({ apiKey: newKey, secret: newSecret }),
    }),
    creation: "POST /api/v3/user/create-sub-api",
    entry: {
      apiKey,
      note: null,
      type: "read_write",
      permissions: ["uta_trade", "uta_mgt"],
      ips: ["192.0.2.1"],
    },
    asks: {
      subUid: "4711",
      note: marker,
      passphrase: expect.stringMatching(/^Kh1[a-z\d]{25}$/),
      type: "read_write",
      permissions: ["uta_trade", "uta_mgt"],
      ips: ["192.0.2.1"],
    },
  },
  gate: {
    answers: (entry) => ({
      "GET /api/v4/account/detail": { user_id: 4711 },
      "GET /api/v4/sub_accounts/4711/keys": [entry],
      "POST /api/v4/sub_accounts/4711/keys": { key: newKey, secret: newSecret },
    }),
    creation: "POST /api/v4/sub_accounts/4711/keys",
    entry: { key: apiKey, name: "by hand", mode: 2, perms: gatePerms, ip_whitelist: ["192.0.2.1"] },
    asks: { name: marker, mode: 2, perms: gatePerms, ip_whitelist: ["192.0.2.1"] },
  },
  binance: {
    answers: ({ ipRestriction, ...entry }: { ipRestriction?: unknown }) => ({
      "GET /api/v3/account": { uid: 4711 },
      "GET /sapi/v1/sub-account/list": { subAccounts: [{ subUserId: 4711, email: "desk01@sub.example" }] },
      "GET /sapi/v1/sub-account/subAccountApi": { total: 1, rows: [entry] },
      "GET /sapi/v1/sub-account/subAccountApi/ipRestriction": ipRestriction,
      "POST /sapi/v1/sub-account/subAccountApi": { apiKey: newKey, secretKey: newSecret },
    }),
    creation: "POST /sapi/v1/sub-account/subAccountApi",
    entry: {
      apiName: "by hand",
      apikey: apiKey,
      canTrade: true,
      canMarginLoanRepay: true,
      canFuturesTrade: true,
      canUniversalTransfer: false,
      canVanillaOptions: true,
      ipRestriction: { ipRestrict: "true", ipList: ["192.0.2.1", "192.0.2.2"], apiKey },
    },
    asks: {
      email: "desk01@sub.example",
      apiName: marker,
      canTrade: "true",
      canMarginLoanRepay: "true",
      canFuturesTrade: "true",
      canUniversalTransfer: "false",
      canVanillaOptions: "true",
      status: "2",
      ipAddress: "192.0.2.1,192.0.2.2",
    },
  },
};

let venue: Loopback;
let perform: Perform;
beforeAll(async () => {
  venue = await Loopback.start();
  const hosts = Object.fromEntries(keyVenues.map((id) => [id, venue.url]));
  perform = createPerformer(venueSettings({ hosts }));
});
afterAll(() => venue[Symbol.asyncDispose]());
beforeEach(() => venue.forget());

const nameOf = ({ method, url }: Pick<Received, "method" | "url">) => `${method} ${url.split("?")[0]}`;

/** From now on the venue answers so; anything else that it is asked is not there. */
function answerWith(answers: Answers): void {
  venue.reply((request, response) => {
    const answer = answers[nameOf(request)];
    response
      .writeHead(answer === undefined ? 404 : 200, { "content-type": "application/json" })
      .end(JSON.stringify(answer ?? {}));
  });
}

const credential = (key: string): ReadonlyMap<FieldName, string> =>
  new Map([
    ["api_key", key],
    ["api_secret", randomBytes(32).toString("hex")],
    ["passphrase", "passphrase-1"],
  ]);

async function create(id: KeyVenue) {
  const recipient = createRecipient();
  const answer = await perform(
    { venue: id, environment: "live", verb: "createKey", marker },
    [credential("parent-api-key"), credential(apiKey)],
    { replyTo: recipient.publicKey },
  );
  if (!("sealed" in answer)) return answer;
  return { outcome: answer.outcome, fields: recipient.open(answer.sealed) };
}

/** What a creation asked for; `null` when none was sent. */
function asked(id: KeyVenue): unknown {
  const creations = venue.received.filter((request) => nameOf(request) === scripts[id].creation);
  expect(creations.length).toBeLessThanOrEqual(1);
  const [creation] = creations;
  if (creation === undefined) return null;
  if (id !== "binance") return JSON.parse(creation.body);
  const {
    timestamp: _timestamp,
    recvWindow: _window,
    signature: _signature,
    ...params
  } = Object.fromEntries(new URLSearchParams(creation.body));
  return params;
}

describe.each(keyVenues)("a new key at %s", (id) => {
  const script = scripts[id];

  test("is asked for with every right and address of the old one, word by word", async () => {
    answerWith(script.answers(script.entry));
    const { outcome, fields } = { fields: undefined, ...(await create(id)) };
    expect(outcome).toBe("created");
    expect(fields?.get("api_key")).toBe(newKey);
    expect(fields?.get("api_secret")).toBe(newSecret);
    expect(asked(id)).toEqual(script.asks);
  });

  test("is not taken for one when its secret is missing", async () => {
    const answers = script.answers(script.entry);
    const text = JSON.stringify(answers[script.creation]).replace(`"${newSecret}"`, "null");
    answerWith({ ...answers, [script.creation]: JSON.parse(text) });
    expect(await create(id)).toMatchObject({ outcome: "unexpected_answer" });
  });

  test("is not asked for when the list of keys has another shape than documented", async () => {
    for (const name of Object.keys(script.entry).filter(
      (name) => name !== "ipRestriction" && name !== "name",
    )) {
      answerWith(script.answers({ ...script.entry, [name]: { strange: true } }));
      expect([name, await create(id)]).toMatchObject([name, { outcome: "unexpected_answer" }]);
      expect(asked(id)).toBeNull();
    }
  });
});

describe("a key that is not inherited", () => {
  const cases: readonly (readonly [KeyVenue, string, object])[] = [
    ["bybit", "withdrawing", { permissions: { Wallet: ["AccountTransfer", "Withdraw"] } }],
    ["bybit", "block trades", { permissions: { BlockTrade: ["BlockTrade"] } }],
    ["okx", "withdrawing", { perm: "read_only,trade,withdraw" }],
    ["kucoin", "transfers out", { permission: "General, Transfer" }],
    ["kucoin", "earning", { permission: "General, Earn" }],
    ["bitget", "withdrawing", { permissions: ["uta_mgt", "withdraw"] }],
    ["gate", "withdrawing", { perms: [{ name: "withdraw", read_only: false }] }],
    ["binance", "a third party's addresses", { ipRestriction: { ipRestrict: "true", ipList: [] } }],
  ];

  test.each(cases)("at %s: %s", async (id, _name, change) => {
    const { answers, entry } = scripts[id];
    answerWith(answers({ ...entry, ...change }));
    expect(await create(id)).toMatchObject({ outcome: "refused", reason: "not_inheritable" });
    expect(asked(id)).toBeNull();
    // The control: without the change it is inherited.
    answerWith(answers(entry));
    expect(await create(id)).toMatchObject({ outcome: "created" });
  });
});

test.each([
  ["bybit", { ips: ["*"] }, "ips"],
  ["bybit", { ips: null }, "ips"],
  ["okx", { ip: "" }, "ip"],
  ["kucoin", { ipWhitelist: "" }, "ipWhitelist"],
  ["binance", { ipRestriction: { ipRestrict: "false", ipList: [] } }, "ipAddress"],
] as const)(
  "a key that is bound to nothing at %s makes one that is bound to nothing: %o",
  async (id, change, name) => {
    const { answers, entry } = scripts[id];
    answerWith(answers({ ...entry, ...change }));
    await create(id);
    expect(asked(id)).not.toHaveProperty(name);
  },
);

test("a request takes effect no later than is told", async () => {
  const windowOf: Partial<Record<KeyVenue, (creation: Received) => string | null | undefined>> = {
    binance: ({ body }) => new URLSearchParams(body).get("recvWindow"),
    bybit: ({ headers }) => headers["x-bapi-recv-window"]?.toString(),
  };
  for (const id of ["binance", "bybit"] as const) {
    venue.forget();
    const { answers, entry, creation } = scripts[id];
    answerWith(answers(entry));
    await create(id);
    const sent = venue.received.find((request) => nameOf(request) === creation);
    const window = sent === undefined ? undefined : windowOf[id]?.(sent);
    expect([id, Number(window)]).toEqual([id, exchangeTable.get(id)?.issuing?.settlesAfterMs]);
  }
});

test("a list without an end is not believed", async () => {
  const { answers, entry, creation } = scripts.bybit;
  const list = bybit({ result: [{ ...entry, apiKey: "another" }], nextPageCursor: "more" });
  answerWith({ ...answers(entry), "GET /v5/user/sub-apikeys": list });
  expect(await create("bybit")).toMatchObject({ outcome: "unexpected_answer" });
  expect(venue.received.map(nameOf)).not.toContain(creation);
});
