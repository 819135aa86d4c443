import { describe, expect, test } from "vitest";
import { createAdapters } from "../../../src/venues/adapters.ts";
import { exchangeTable } from "../../../src/venues/exchanges/index.ts";
import { findOperation, operations } from "../../../src/venues/operations.ts";
import { operationClasses } from "../../../src/venues/venue.ts";

const order = { symbol: "BTC/USDT", type: "limit", side: "buy", amount: "0.1", price: "50000" };

function params(name: string) {
  const operation = operations.find((it) => it.name === name);
  if (operation === undefined) throw new Error(`no operation ${name}`);
  return operation.params;
}

describe("the operation table", () => {
  test("knows each name once, and a class for each", () => {
    const names = operations.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    for (const operation of operations) expect(operationClasses).toContain(operation.class);
  });

  test("takes only parameters that it knows by position or by name", () => {
    for (const { params, positional } of operations) {
      expect(Object.keys(params.shape)).toEqual(expect.arrayContaining([...positional]));
    }
  });

  test("has every operation that a venue declares", () => {
    const known = new Set(operations.map(({ name }) => name));
    for (const { description } of createAdapters().values()) {
      expect(description.operations.filter((name) => !known.has(name))).toEqual([]);
    }
  });

  test("calls what places orders a trade, and only createOrder places one", () => {
    const placing = operations.filter(({ placesOrder }) => placesOrder);
    expect(placing.map(({ name }) => name)).toEqual(["createOrder"]);
    expect(operations.find(({ name }) => name === "createOrder")?.class).toBe("trade");
  });

  test.each([
    ["transfer", "transfer"],
    ["withdraw", "withdraw"],
    ["cancelOrder", "trade"],
    ["fetchBalance", "read"],
  ])("classes %s as %s", (name, operationClass) => {
    expect(operations.find((it) => it.name === name)?.class).toBe(operationClass);
  });
});

describe("the parameters of an order", () => {
  test.each([
    ["a decimal text", order],
    ["a number", { ...order, amount: 0.1, price: 50_000 }],
    ["a market order without a price", { ...order, type: "market", price: undefined }],
    ["its options", { ...order, timeInForce: "IOC", postOnly: false, triggerPrice: "49000" }],
  ])("may be %s", (_name, given) => {
    expect(params("createOrder").safeParse(given).success).toBe(true);
  });

  test.each([
    ["an unknown name", { ...order, clientOrderId: "mine" }],
    ["a limit order without a price", { ...order, price: undefined }],
    ["zero", { ...order, amount: "0" }],
    ["a negative amount", { ...order, amount: -1 }],
    ["a negative text", { ...order, amount: "-1" }],
    ["an exponent", { ...order, amount: "1e3" }],
    ["no number", { ...order, amount: "many" }],
    ["infinity", { ...order, amount: Infinity }],
    ["an unknown side", { ...order, side: "hold" }],
    ["no symbol", { ...order, symbol: "" }],
  ])("may not be %s", (_name, given) => {
    expect(params("createOrder").safeParse(given).success).toBe(false);
  });
});

describe("a transfer", () => {
  const descriptions = [...createAdapters().values()].map(({ description }) => description);
  const moving = descriptions.filter(({ operations }) => operations.includes("transfer"));
  const transfer = { code: "USDT", amount: "1" };

  test("goes from one account of the owner to another, by the venue's own list", () => {
    expect(moving.map(({ id }) => id)).toContain("kraken");
    for (const venue of moving) {
      const [from = "", to = ""] = venue.transferAccounts ?? [];
      const { params } = findOperation(venue, "transfer") ?? {};
      expect(params?.safeParse({ ...transfer, fromAccount: from, toAccount: to }).success).toBe(true);
    }
  });

  test.each([
    "thief@example.com",
    "355eb279-7c7e-4515-814a-575a49dc0325",
    "+41790000000",
    "master",
    "0xab",
    "BTC/USDT",
  ])("never goes to %s, and the refusal names what is allowed", (toAccount) => {
    for (const venue of moving) {
      const [fromAccount = ""] = venue.transferAccounts ?? [];
      const parsed = findOperation(venue, "transfer")?.params.safeParse({
        ...transfer,
        fromAccount,
        toAccount,
      });
      expect(parsed?.error?.message).toContain(fromAccount);
    }
  });

  test("and a withdrawal are offered only where every request of the exchange was classed", () => {
    const offering = descriptions.filter(({ operations }) =>
      operations.some((name) => name === "transfer" || name === "withdraw"),
    );
    const ids = offering.map(({ id }) => id);
    expect(ids.filter((id) => !exchangeTable.has(id))).toEqual([]);
    expect(ids).not.toContain("latoken");
    expect(moving.map(({ id }) => id)).not.toContain("coinbase");
  });
});

describe("an operation", () => {
  test("is found where the venue has it and nowhere else", () => {
    expect(findOperation({ operations: ["account"] }, "account")?.name).toBe("account");
    expect(findOperation({ operations: ["fetchBalance"] }, "account")).toBeUndefined();
    expect(findOperation({ operations: ["launch"] }, "launch")).toBeUndefined();
  });
});
