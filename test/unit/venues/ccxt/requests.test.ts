import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { callGraph } from "../../../../src/venues/ccxt/call-graph.ts";
import {
  marketsPermit,
  namedPermit,
  operationPermit,
  readRequestTables,
} from "../../../../src/venues/ccxt/gate.ts";
import { classOf, reachOf } from "../../../../src/venues/ccxt/generate.ts";
import { exchangeList } from "../../../../src/venues/ccxt/list.ts";
import { exchangeTable } from "../../../../src/venues/exchanges/index.ts";
import { type Operation, operations } from "../../../../src/venues/operations.ts";

/** Requests that ccxt does not have and Keyhold names itself, for the management of keys. */
const ofKeyhold = ["GET", "POST", "DELETE"].map((verb) => `sapi ${verb} sub-account/subAccountApi`);

const reviewed = [...exchangeTable.values()].map(({ id, requests }) => [id, requests] as const);

function operationNamed(name: string): Operation {
  const found = operations.find((operation) => operation.name === name);
  if (found === undefined) throw new RangeError(`no operation ${name}`);
  return found;
}

function factsOf(id: string) {
  const found = exchangeList.find((exchange) => exchange.id === id);
  if (found === undefined) throw new RangeError(`no exchange ${id}`);
  return found;
}

describe("the requests of an operation", () => {
  test("are those that the installed ccxt can make, so that an update shows each new one", () => {
    for (const facts of exchangeList) {
      const kept = readFileSync(
        new URL(`../../../../src/venues/ccxt/requests/${facts.id}.json`, import.meta.url),
        "utf8",
      );
      const hint = `${facts.id}: run node src/venues/ccxt/generate.ts, and read what changes`;
      expect(JSON.parse(kept), hint).toEqual(reachOf(facts));
    }
  });

  test("follow calls through classes, helpers and names in variables", () => {
    const { reach } = callGraph(classOf("binanceusdm"));
    expect(reach("fetchBalance")).toEqual(
      expect.arrayContaining(["fapiPrivateV3 GET account", "private GET account", "papi GET balance"]),
    );
    expect(reach("createOrder")).not.toContain("sapi POST capital/withdraw/apply");
    expect(reach("withdraw")).toContain("sapi POST capital/withdraw/apply");
    expect(callGraph(classOf("hitbtc")).reach("fetchMyTrades").length).toBeGreaterThan(0);
  });

  test("never approve a fee, nor name a referrer", async () => {
    expect(callGraph(classOf("aster")).reach("fetchBalance")).toContain("fapiPrivate POST v3/approveBuilder");
    for (const { id, operations: offered } of exchangeList) {
      for (const name of [...offered, "loadMarkets"]) {
        const permit =
          name === "loadMarkets" ? await marketsPermit(id) : await operationPermit(id, operationNamed(name));
        expect(
          [...permit].filter((request) => /approve|referr|builder_codes|authorize_b/i.test(request)),
        ).toEqual([]);
      }
    }
  });

  test("of a read are reads: any that is no GET is on a list that was looked at", async () => {
    const others = new Set<string>();
    for (const { id, operations: offered } of exchangeList) {
      for (const operation of operations.filter((it) => it.class === "read" && offered.includes(it.name))) {
        for (const request of await operationPermit(id, operation)) {
          if (!request.includes(" GET ")) others.add(`${id}: ${request}`);
        }
      }
    }
    const list = readFileSync(new URL("../../../vectors/reads-that-are-no-get.txt", import.meta.url), "utf8");
    expect([...others].toSorted()).toEqual(list.trimEnd().split("\n"));
  });

  test("are none for moving money where the requests were not classed", async () => {
    for (const id of ["latoken", "paymium", "dydx", "hyperliquid", "htx"]) {
      for (const name of ["transfer", "withdraw"]) {
        expect((await operationPermit(id, operationNamed(name))).size, `${id} ${name}`).toBe(0);
      }
    }
    expect((await operationPermit("kraken", operationNamed("withdraw"))).size).toBeGreaterThan(0);
    expect((await operationPermit("coinbase", operationNamed("transfer"))).size).toBe(0);
    await expect(namedPermit("latoken", "read")).rejects.toThrow(RangeError);
  });
});

describe.each(reviewed)("the tables of %s", (id, { tables }) => {
  test("has every request of the installed ccxt once, and no other", async () => {
    const classes = await readRequestTables(tables);
    const { all } = callGraph(classOf(id));
    expect([...all].filter((request) => !classes.has(request))).toEqual([]);
    const ofFamily = new Set([...all, ...callGraph(classOf(tables[0])).all, ...ofKeyhold]);
    expect([...classes.keys()].filter((request) => !ofFamily.has(request))).toEqual([]);
  });

  test("finds in every operation what its class allows, and nothing besides", async () => {
    const classes = await readRequestTables(tables);
    const lost = new Set<string>();
    for (const operation of operations.filter(({ name }) => factsOf(id).operations.includes(name))) {
      const permit = await operationPermit(id, operation);
      expect(permit.size, operation.name).toBeGreaterThan(0);
      for (const request of reachOf(factsOf(id))[operation.name] ?? []) {
        if (!permit.has(request)) lost.add(`${operation.name} ${classes.get(request)} ${request}`);
      }
    }
    // So what the graph gives an operation and what the review allows it agree; a difference wants a person.
    expect([...lost]).toEqual([]);
  });

  test("calls nothing a read or a trade that a word in its path contradicts", async () => {
    const harmless = new Set(["public", "read", "trade"]);
    const suspicious = [...(await readRequestTables(tables))].filter(
      ([request, its]) =>
        harmless.has(its) &&
        !request.includes(" GET ") &&
        /withdraw|transfer|sub-?acc|apikey|api-key|\/keys?\b|gift|p2p|borrow|loan|leverage|whitelist/i.test(
          request,
        ),
    );
    expect(suspicious.map(([request]) => request)).toEqual(innocent[tables[0]] ?? []);
  });
});

/** Requests whose words mislead: they read, convert in place, or withdraw a bot's gains into the account itself. */
const innocent: Readonly<Record<string, readonly string[]>> = {
  binance: ["sapi POST asset/convert-transfer"],
  bybit: ["private POST v5/crypto-loan-common/max-loan"],
  okx: ["private POST finance/flexible-loan/max-loan", "private POST tradingBot/grid/withdraw-income"],
  kraken: [
    "private POST GetApiKeyInfo",
    "private POST WithdrawMethods",
    "private POST WithdrawAddresses",
    "private POST WithdrawInfo",
    "private POST WithdrawStatus",
  ],
  bitget: [
    "private.spot POST spot/v1/account/sub-account-spot-assets",
    "private.mix POST mix/v1/account/sub-account-contract-assets",
    "private.margin POST margin/v1/cross/account/maxBorrowableAmount",
    "private.margin POST margin/v1/isolated/account/maxBorrowableAmount",
    "private.uta POST v3/p2p/fee-simulate",
  ],
};

describe("each request of ccxt's own tests", () => {
  const lines = readFileSync(new URL("../../../vectors/ccxt-requests/requests.txt", import.meta.url), "utf8");

  test.each(lines.trimEnd().split("\n"))("is allowed, or refused on purpose: %s", async (line) => {
    const [id = "", name = "", path = ""] = line.split(" ");
    const operation = operations.find((it) => it.name === name);
    if (operation === undefined) {
      expect(notOffered).toContain(name);
      return;
    }
    const allowed = [...(await operationPermit(id, operation))].filter((request) => fits(request, path));
    const isRefused = refused.some((request) => request === `${id} ${name} ${path}`);
    expect(allowed.length === 0, allowed.join()).toBe(isRefused);
  });
});

/** A path of ccxt's table ends the path of the URL; what stands in braces is one segment. */
function fits(request: string, path: string): boolean {
  const [, , template = ""] = request.split(" ");
  const pattern = template.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&").replaceAll(/\{\w+\}/g, "[^/]+");
  return new RegExp(`/${pattern}$`).test(path);
}

/** Methods of ccxt that Keyhold offers nowhere. */
const notOffered = [
  "cancelAllOrdersAfter",
  "fetchLedger",
  "fetchDeposits",
  "fetchWithdrawals",
  "editOrder",
  "fetchCurrencies",
  "createOrders",
  "cancelOrders",
  "closePosition",
  "closeAllPositions",
  "createDepositAddress",
  "setPositionMode",
  "setLeverage",
  "setMarginMode",
  "addMargin",
];

/** Requests of another version of ccxt than the installed one. */
const refused: readonly string[] = [];
