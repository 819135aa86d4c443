import { expect, test } from "vitest";
import type { VenueCall } from "../../../../src/venues/adapter.ts";
import { Session } from "../../../../src/venues/ccxt/invoke.ts";
import { createMarkets } from "../../../../src/venues/ccxt/markets.ts";
import { exchangeTable } from "../../../../src/venues/exchanges/index.ts";
import { Withheld } from "../../../../src/venues/process/bounded-fetch.ts";
import { credentialsOf } from "../samples.ts";

const permit = new Set(["private POST order", "private DELETE order", "private GET account"]);
const trade = { class: "trade" } as const;
const placed = { symbol: "BTCUSDT", orderId: 7 };
const refused = { code: -2010, msg: "Account has insufficient balance." };

/** Binance with answers in the order in which they are given; market lists are empty. */
function sessionWith(...answers: object[]): Session {
  const row = exchangeTable.get("binance");
  if (row === undefined) throw new Error("no row");
  const say = (body: object) => ({
    status: "code" in body ? 400 : 200,
    headers: new Map(),
    body: JSON.stringify(body),
  });
  const call: VenueCall = {
    environment: "live",
    fields: credentialsOf("binance"),
    speaker: { name: "Binance", addresses: [] },
    send: async () => say(answers.shift() ?? {}),
    sendShared: async () => say({ symbols: [] }),
  };
  return new Session({ ...row, markets: createMarkets() }, "live", call, { permit });
}

async function explain(session: Session, ...methods: string[]): Promise<string> {
  try {
    for (const method of methods) await session.ask(method, { symbol: "BTCUSDT" });
  } catch (error) {
    return session.explain(trade, error).outcome;
  }
  throw new Error("expected a refusal");
}

test("an operation of one request is refused when that is refused", async () => {
  expect(await explain(sessionWith(refused), "privatePostOrder")).toBe("refused");
});

test("reads before the request that was refused change nothing about that", async () => {
  const session = sessionWith({ balances: [] }, refused);
  expect(await explain(session, "privateGetAccount", "privatePostOrder")).toBe("refused");
});

test("an operation whose first request did something is uncertain when its second is refused", async () => {
  const session = sessionWith(placed, refused);
  expect(await explain(session, "privatePostOrder", "privateDeleteOrder")).toBe("unexpected_answer");
});

test("an operation that met a request it may not send is told as not sent", async () => {
  await expect(explain(sessionWith(), "sapiPostCapitalWithdrawApply")).rejects.toThrow(Withheld);
});

test("an operation that did something before such a request is uncertain", async () => {
  const session = sessionWith(placed);
  expect(await explain(session, "privatePostOrder", "sapiPostCapitalWithdrawApply")).toBe(
    "unexpected_answer",
  );
});
