import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Valid } from "../../../../src/venues/verdict.ts";
import { Loopback } from "../loopback.ts";
import { credentialsOf, inspectAt, performerAt, type Perform } from "../samples.ts";

let venue: Loopback;
let perform: Perform;

beforeAll(async () => {
  venue = await Loopback.start();
  perform = performerAt(venue.url);
});

afterAll(() => venue[Symbol.asyncDispose]());

async function read(id: string, body: unknown, fields = credentialsOf(id)): Promise<Valid> {
  venue.sayJson(body);
  const verdict = await inspectAt(perform, id, fields);
  if (verdict.outcome !== "valid") throw new Error(verdict.message);
  return verdict;
}

describe("what Binance tells of a key", () => {
  const restrictions = {
    ipRestrict: false,
    createTime: 1_698_645_219_000,
    enableReading: true,
    enableWithdrawals: false,
    enableInternalTransfer: false,
    enableSpotAndMarginTrading: false,
  };

  test.each([
    ["enableSpotAndMarginTrading", { trade: "yes", withdraw: "no", transfer: "no" }],
    ["enableFutures", { trade: "yes" }],
    ["enableVanillaOptions", { trade: "yes" }],
    ["enablePortfolioMarginTrading", { trade: "yes" }],
    ["enableFixApiTrade", { trade: "yes" }],
    ["enableInternalTransfer", { transfer: "yes", withdraw: "no" }],
    ["permitsUniversalTransfer", { transfer: "yes", withdraw: "no" }],
    ["enableWithdrawals", { withdraw: "yes", trade: "no" }],
    ["enableFixReadOnly", { read: "yes", trade: "no", withdraw: "no", unknownWords: [] }],
    ["enableTimeTravel", { trade: "no", withdraw: "unknown", unknownWords: ["enableTimeTravel"] }],
  ])("%s", async (flag, granted) => {
    const { permissions } = await read("binance", { ...restrictions, [flag]: true });
    expect(permissions).toMatchObject(granted);
  });

  test("is bound to addresses that it does not name", async () => {
    expect((await read("binance", restrictions)).permissions.boundIps).toEqual([]);
    expect((await read("binance", { ...restrictions, ipRestrict: true })).permissions.boundIps).toBeNull();
  });

  test.each([
    ["enableSpotAndMarginTrading", "no"],
    ["enableMargin", "no"],
    ["enableFutures", "yes"],
  ])("the end of its right to trade leaves the key, and %s: %s", async (flag, trade) => {
    const endingIn = (ms: number) =>
      read("binance", { ...restrictions, [flag]: true, tradingAuthorityExpirationTime: Date.now() + ms });
    expect(await endingIn(-1000)).toMatchObject({ expiresAt: null, permissions: { trade } });
    expect(await endingIn(60_000)).toMatchObject({ expiresAt: null, permissions: { trade: "yes" } });
  });
});

describe("what Bybit tells of a key", () => {
  const body = (result: object) => ({
    retCode: 0,
    result: {
      readOnly: 0,
      permissions: { Spot: ["SpotTrade"] },
      ips: ["*"],
      expiredAt: "",
      userID: 24617703,
      ...result,
    },
  });

  test("trading, moving and withdrawing are told apart", async () => {
    const permissions = { Spot: ["SpotTrade"], Wallet: ["AccountTransfer", "Withdraw"], Options: null };
    expect(await read("bybit", body({ permissions }))).toMatchObject({
      permissions: { read: "yes", trade: "yes", transfer: "yes", withdraw: "yes", boundIps: [] },
      account: { id: "24617703" },
      expiresAt: null,
    });
  });

  test("a read-only key trades nothing, whatever it may look at", async () => {
    const permissions = { ContractTrade: ["Order", "Position"], Wallet: ["AccountTransfer"] };
    expect((await read("bybit", body({ readOnly: 1, permissions }))).permissions).toMatchObject({
      trade: "no",
      transfer: "no",
      withdraw: "no",
    });
  });

  test.each(["FiatP2POrder", "FaitPayOrder", "FiatConvertBrokerOrder"])(
    "%s can move funds out and counts as unknown",
    async (word) => {
      const { permissions } = await read("bybit", body({ permissions: { Fiat: [word] } }));
      expect(permissions.unknownWords).toEqual([word]);
    },
  );

  test("its addresses and its end", async () => {
    const told = await read("bybit", body({ ips: ["192.0.2.1"], expiredAt: "2027-05-15T03:21:05Z" }));
    expect(told.permissions.boundIps).toEqual(["192.0.2.1"]);
    expect(told.expiresAt).toBe("2027-05-15T03:21:05.000Z");
    expect((await read("bybit", body({ expiredAt: "1970-01-01T00:00:00Z" }))).expiresAt).toBeNull();
  });
});

describe("what OKX tells of a key", () => {
  const body = (perm: string, ip = "") => ({ code: "0", msg: "", data: [{ uid: "4433", perm, ip }] });

  test.each([
    ["read_only", { read: "yes", trade: "no", transfer: "no", withdraw: "no" }],
    ["read_only,trade", { trade: "yes", transfer: "yes", withdraw: "no" }],
    ["read_only, withdraw", { trade: "no", withdraw: "yes", unknownWords: [] }],
    ["read_only,teleport", { unknownWords: ["teleport"] }],
  ])("%s", async (perm, granted) => {
    expect((await read("okx", body(perm))).permissions).toMatchObject(granted);
  });

  test("its addresses", async () => {
    expect((await read("okx", body("trade", "192.0.2.1,192.0.2.2"))).permissions.boundIps).toEqual([
      "192.0.2.1",
      "192.0.2.2",
    ]);
  });

  test("a paper key goes with the header of simulated trading, a live one without", async () => {
    venue.forget();
    await read("okx", body("trade"));
    await perform({ venue: "okx", environment: "paper", verb: "inspect" }, credentialsOf("okx"));
    expect(venue.received.map(({ headers }) => headers["x-simulated-trading"])).toEqual([undefined, "1"]);
  });
});

describe("what Kraken tells of a key", () => {
  const body = (permissions: string[], more: object = {}) => ({
    error: [],
    result: { permissions, validUntil: "0", ipAllowlist: [], ...more },
  });

  test.each([
    [["query-funds"], { read: "yes", trade: "no", withdraw: "no", transfer: "unknown" }],
    [["query-funds", "modify-trades"], { trade: "yes", withdraw: "no" }],
    [["withdraw-funds"], { read: "yes", withdraw: "yes" }],
    [["conjure-funds"], { withdraw: "unknown", unknownWords: ["conjure-funds"] }],
  ])("%j", async (words, granted) => {
    expect((await read("kraken", body(words))).permissions).toMatchObject(granted);
  });

  test("its end and its addresses", async () => {
    const more = { validUntil: "1800000000", ipAllowlist: ["192.0.2.0/24"] };
    const told = await read("kraken", body(["query-funds"], more));
    expect(told.expiresAt).toBe("2027-01-15T08:00:00.000Z");
    expect(told.permissions.boundIps).toEqual(["192.0.2.0/24"]);
  });
});

describe("what Coinbase tells of a key", () => {
  const rights = { can_view: true, can_trade: true, can_transfer: false };

  test("rights and portfolio", async () => {
    const body = { ...rights, portfolio_uuid: "0191d4de", portfolio_type: "DEFAULT" };
    expect(await read("coinbase", body)).toMatchObject({
      permissions: { read: "yes", trade: "yes", withdraw: "no", transfer: "no", boundIps: null },
      account: { id: "0191d4de", type: "DEFAULT" },
    });
  });

  test("to transfer is to withdraw", async () => {
    expect((await read("coinbase", { ...rights, can_transfer: true })).permissions.withdraw).toBe("yes");
  });

  test.each([true, "true", 1, { enabled: true }])(
    "a right that is not known is unknown: %j",
    async (can_lend) => {
      const { permissions } = await read("coinbase", { ...rights, can_receive: true, can_lend });
      expect(permissions).toMatchObject({ withdraw: "unknown", unknownWords: ["can_lend"] });
    },
  );

  test("rights written as text are read", async () => {
    const { permissions } = await read("coinbase", { can_view: "true", can_trade: "0", can_transfer: "1" });
    expect(permissions).toMatchObject({ trade: "no", withdraw: "yes", transfer: "yes" });
  });
});

describe("what KuCoin tells of a key", () => {
  const body = (permission: string, more: object = {}) => ({
    code: "200000",
    data: { permission, uid: 123, ipWhitelist: "", isMaster: true, ...more },
  });

  test.each([
    ["General", { read: "yes", trade: "no", withdraw: "no", transfer: "no" }],
    ["General, Spot", { trade: "yes", withdraw: "no" }],
    ["General, InnerTransfer", { transfer: "yes", withdraw: "no" }],
    ["General,Transfer", { withdraw: "yes", transfer: "yes" }],
    ["General,Withdrawal", { withdraw: "yes" }],
    ["General,LeadtradeFutures", { unknownWords: ["LeadtradeFutures"] }],
  ])("%s", async (permission, granted) => {
    expect((await read("kucoin", body(permission))).permissions).toMatchObject(granted);
  });

  test("addresses and account", async () => {
    const told = await read(
      "kucoin",
      body("General", { ipWhitelist: "192.0.2.1,192.0.2.2", isMaster: false }),
    );
    expect(told.permissions.boundIps).toEqual(["192.0.2.1", "192.0.2.2"]);
    expect(told.account).toEqual({ id: "123", type: "sub" });
    expect((await read("kucoin", body("General", { ipWhitelist: null }))).permissions.boundIps).toBeNull();
  });
});

describe("what Bitget tells of a key", () => {
  const classic = (authorities: string[]) => ({
    code: "00000",
    data: { userId: "77", ips: "192.0.2.1", authorities },
  });

  test.each([
    [["coor", "stor"], { read: "yes", trade: "no", withdraw: "no", transfer: "no" }],
    [["stow"], { read: "yes", trade: "yes", withdraw: "no" }],
    [["ttow"], { transfer: "yes", withdraw: "no" }],
    [["wwow"], { withdraw: "yes" }],
    [["wtow"], { unknownWords: ["wtow"] }],
  ])("of a classic account: %j", async (authorities, granted) => {
    const told = await read("bitget", classic(authorities));
    expect(told.permissions).toMatchObject({ ...granted, boundIps: ["192.0.2.1"] });
    expect(told.account).toEqual({ id: "77", type: "classic" });
  });

  test.each([
    ["read_only", ["uta_trade"], { read: "yes", trade: "no", withdraw: "no" }],
    ["read-only", ["uta_trade", "uta_mgt"], { trade: "no", transfer: "no" }],
    ["read-and-write", ["uta_trade"], { trade: "yes", withdraw: "no" }],
    ["read-and-write", ["uta_mgt"], { transfer: "yes" }],
    ["read-and-write", ["withdraw"], { withdraw: "yes" }],
    ["read-and-write", ["uta_magic"], { unknownWords: ["uta_magic"] }],
  ])("of a unified account: %s %j", async (permType, permissions, granted) => {
    venue.reply((request, response) => {
      const unified = { code: "00000", data: { userId: "78", ips: "", permType, permissions } };
      const refused = { code: "40085", msg: "Unified Account mode", data: null };
      response.end(JSON.stringify(request.url.startsWith("/api/v3/account/info") ? unified : refused));
    });
    expect(await inspectAt(perform, "bitget")).toMatchObject({
      outcome: "valid",
      permissions: { ...granted, boundIps: [] },
      account: { id: "78", type: "unified" },
    });
  });
});

describe("what Gate tells of a key", () => {
  const fields = new Map([
    ["api_key", "4f2a00000000000000009c1b"],
    ["api_secret", "00"],
  ] as const);
  const entry = (key: string, perms: object[], more: object = {}) => ({
    state: 1,
    user_id: 9,
    key,
    perms,
    ...more,
  });

  test("its own entry is found among those of the account", async () => {
    const body = [
      entry("aaaa****9c1b", [{ name: "withdraw", read_only: false }]),
      entry(
        "4f2a****9c1b",
        [
          { name: "spot", read_only: false },
          { name: "withdraw", read_only: true },
        ],
        {
          ip_whitelist: ["192.0.2.1"],
        },
      ),
    ];
    expect(await read("gate", body, fields)).toMatchObject({
      permissions: { read: "yes", trade: "yes", withdraw: "no", boundIps: ["192.0.2.1"], unknownWords: [] },
      account: { id: "9" },
    });
  });

  test.each([
    [{ name: "withdraw", read_only: false }, { withdraw: "yes" }],
    [
      { name: "wallet", read_only: false },
      { transfer: "yes", withdraw: "no" },
    ],
    [{ name: "wallet", read_only: true }, { transfer: "no" }],
    [{ name: "futures" }, { trade: "yes" }],
    [{ name: "portal", read_only: false }, { unknownWords: ["portal"] }],
  ])("%j", async (perm, granted) => {
    const { permissions } = await read("gate", [entry("4f2a****9c1b", [perm])], fields);
    expect(permissions).toMatchObject(granted);
  });

  test.each([
    ["no entry fits", [entry("aaaa****bbbb", [{ name: "spot" }])]],
    ["two entries fit", [entry("4f2a****9c1b", []), entry("4f2a****9c1b", [{ name: "withdraw" }])]],
    ["the mask shows nothing", [entry("*****", [{ name: "spot" }])]],
    ["the mask shows almost nothing", [entry("4f****1b", [{ name: "spot" }])]],
    ["the mask has a hole in it", [entry("4f2a**77**9c1b", [{ name: "spot" }])]],
    ["the mask shows more than the key", [entry("4f2a00000000000*00000000009c1b", [{ name: "spot" }])]],
  ])("nothing is known where %s", async (_name, body) => {
    expect((await read("gate", body, fields)).permissions).toMatchObject({
      read: "yes",
      trade: "unknown",
      withdraw: "unknown",
    });
  });

  test("a sub-account's key is proved by its account", async () => {
    venue.reply((request, response) => {
      const isDetail = request.url.endsWith("/account/detail");
      const body = isDetail ? { user_id: 10, ip_whitelist: null } : { label: "FORBIDDEN", message: "no" };
      response.writeHead(isDetail ? 200 : 403).end(JSON.stringify(body));
    });
    expect(await inspectAt(perform, "gate")).toMatchObject({
      outcome: "valid",
      permissions: { withdraw: "unknown", boundIps: [] },
      account: { id: "10" },
    });
  });
});

describe("what MEXC tells of a key", () => {
  const body = (permissions: string, more: object = {}) => ({
    note: "n",
    createTime: "2026-09-14T18:53:36.000+00:00",
    permissions,
    remainingValidity: 82,
    ipWhiteList: "",
    status: "VALID",
    ...more,
  });

  test.each([
    ["SPOT_ACCOUNT_READ,SPOT_DEAL_READ", { read: "yes", trade: "no", withdraw: "no" }],
    ["SPOT_DEAL_WRITE", { trade: "yes" }],
    ["CONTRACT_DEAL_WRITE", { trade: "yes" }],
    ["SPOT_TRANSFER_WRITE", { transfer: "yes", withdraw: "no" }],
    ["SPOT_TRANSFER_W", { transfer: "yes" }],
    ["SPOT_WITHDRAW_READ", { withdraw: "no" }],
    ["SPOT_WITHDRAW_WRITE", { withdraw: "yes" }],
    ["SPOT_WITHDRAW_W", { withdraw: "yes" }],
    ["SPOT_MAGIC", { unknownWords: ["SPOT_MAGIC"] }],
  ])("%s", async (permissions, granted) => {
    expect((await read("mexc", body(permissions))).permissions).toMatchObject(granted);
  });

  test("its end in days and its addresses", async () => {
    const told = await read("mexc", body("SPOT_DEAL_READ", { ipWhiteList: "192.0.2.1" }));
    const days = (Date.parse(told.expiresAt ?? "") - Date.now()) / 86_400_000;
    expect(Math.abs(days - 82)).toBeLessThan(0.1);
    expect(told.permissions.boundIps).toEqual(["192.0.2.1"]);
    expect((await read("mexc", body("SPOT_DEAL_READ", { remainingValidity: null }))).expiresAt).toBeNull();
  });

  test("a state that is not known is not valid", async () => {
    venue.sayJson(body("SPOT_DEAL_READ", { status: "SLEEPING" }));
    expect((await inspectAt(perform, "mexc")).outcome).toBe("unexpected_answer");
  });
});

describe("what Alpaca tells of an account", () => {
  const account = { id: "0191", account_number: "PA1", status: "ACTIVE", cash: "1" };

  test("its state, its kind and what is blocked", async () => {
    const told = await read("alpaca", { ...account, status: "ACCOUNT_CLOSED", trading_blocked: true });
    expect(told.account).toEqual({
      id: "0191",
      number: "PA1",
      type: "live",
      status: "ACCOUNT_CLOSED",
      blocked: ["trading_blocked"],
    });
  });

  test("nothing that it means to drop is needed", async () => {
    expect(await read("alpaca", account)).toMatchObject({ account: { status: "ACTIVE", blocked: [] } });
  });
});
