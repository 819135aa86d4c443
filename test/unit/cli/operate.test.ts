import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import type { Cli } from "../../../src/cli/cli.ts";
import { CliError } from "../../../src/cli/errors.ts";
import { workThrough } from "../../../src/cli/operate.ts";
import { createOutput } from "../../../src/cli/output.ts";
import { type ErrorCode, KeyholdError } from "../../../src/errors.ts";
import { collect } from "../../../testkit/cli.ts";

let told: () => string;
let cli: Cli;

beforeEach(() => {
  const notes = collect();
  told = notes.text;
  const terminal = { input: process.stdin, output: collect().stream, notes: notes.stream };
  const api = () => Promise.reject(new Error("there is no service here"));
  cli = { terminal, environment: {}, output: createOutput(terminal, () => false), api };
});

const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `item-${n + 1}`);
const failure = (code: ErrorCode, reason?: string) =>
  new KeyholdError(code, `It is ${code}.`, reason === undefined ? {} : { facts: { reason } });

/** Deals with these items; `fate` throws for those that cannot be dealt with. Each is gone when it is done, but for one that stays. */
function work(
  items: readonly string[],
  fate: (item: string, times: number) => void | Promise<void> = () => undefined,
  stays?: string,
) {
  const left = new Set(items);
  const times = new Map<string, number>();
  const done = workThrough(cli, {
    label: "Moving",
    left: () => Promise.resolve([...left]),
    idOf: (item) => item,
    async deal(item) {
      const count = (times.get(item) ?? 0) + 1;
      times.set(item, count);
      await nextTurn();
      await fate(item, count);
      if (item !== stays) left.delete(item);
    },
  });
  return { done, left, times, tries: () => [...times.values()].reduce((sum, count) => sum + count, 0) };
}

async function failureOf(done: Promise<number>): Promise<CliError> {
  const error: unknown = await done.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CliError)) throw new Error(`no CliError: ${String(error)}`);
  return error;
}

describe("working through what is left", () => {
  test("deals with each once, tells how many, and says nothing where there is nothing", async () => {
    const { done, times } = work(numbered(25));
    expect(await done).toBe(25);
    expect(new Set(times.values())).toEqual(new Set([1]));
    expect(told()).toMatch(/Moving: 25 done\n$/);
    const before = told();
    expect(await work([]).done).toBe(0);
    expect(told()).toBe(before);
  });

  test("tries again what had changed or was busy", async () => {
    const { done, times } = work(numbered(5), (item, count) => {
      if (item === "item-2" && count < 3) throw failure("stale");
    });
    expect(await done).toBe(5);
    expect(times.get("item-2")).toBe(3);
  });

  test("goes on with what is new meanwhile", async () => {
    const { done, left } = work(numbered(3), (item) => {
      if (item === "item-3") left.add("late");
    });
    expect(await done).toBe(4);
  });

  test("ends, although an item is among what is left however often it was dealt with", async () => {
    const { done, times } = work(numbered(3), () => undefined, "item-1");
    const error = await failureOf(done);
    expect(error).toMatchObject({ failure: "refused", message: "1 could not be dealt with" });
    expect(times.get("item-1")).toBe(3);
  });
});

describe("what cannot be dealt with", () => {
  test("is named with its reason, and all others are done", async () => {
    const { done, left } = work(numbered(30), (item) => {
      if (item === "item-4") throw failure("secret_lost");
      if (item === "item-9") throw failure("store_denied", "foreign");
    });
    const error = await failureOf(done);
    expect([...left]).toEqual(["item-4", "item-9"]);
    expect(error.message).toBe("2 could not be dealt with");
    expect(told()).toContain("item-4: It is secret_lost.\n");
    expect(told()).toContain("item-9: It is store_denied. (foreign)\n");
  });

  test.each([
    ["secret_lost", "refused"],
    ["stale", "refused"],
    ["store_unavailable", "unavailable"],
    ["store_denied", "unavailable"],
    ["key_unavailable", "unavailable"],
    ["record_unavailable", "unavailable"],
  ] as const)("for %s ends as %s", async (code, expected) => {
    const { done } = work(numbered(3), (item) => {
      if (item === "item-2") throw failure(code);
    });
    expect((await failureOf(done)).failure).toBe(expected);
  });

  test("stops nothing by being many in a row, where each is lost by itself", async () => {
    const lost = new Set(numbered(40));
    const { done, left } = work([...lost, "whole"], (item) => {
      if (lost.has(item)) throw failure("secret_lost");
    });
    expect(await failureOf(done)).toMatchObject({
      failure: "refused",
      message: "40 could not be dealt with",
    });
    expect([...left]).not.toContain("whole");
    expect(told().match(/item-\d+: It is secret_lost/g), "not all of them are named").toHaveLength(20);
  });

  test("stops the rest after ten in a row where the store is away, and names what was tried alone", async () => {
    const { done, left, tries } = work(numbered(200), (item) => {
      if (Number(item.slice(5)) > 50) throw failure("store_unavailable", "timeout");
    });
    expect(await failureOf(done)).toMatchObject({
      failure: "unavailable",
      message: "150 could not be dealt with",
    });
    expect(left.size).toBe(150);
    // Four at a time are in hand when the tenth fails.
    expect(tries() - 50).toBeGreaterThanOrEqual(10);
    expect(tries() - 50).toBeLessThanOrEqual(13);
    expect(told().match(/item-\d+: It is store_unavailable. \(timeout\)/g)?.length).toBe(tries() - 50);
  });

  test("is not hopeless while others go well in between", async () => {
    const { done, left } = work(numbered(100), (item) => {
      if (Number(item.slice(5)) % 5 === 0) throw failure("store_unavailable");
    });
    await failureOf(done);
    expect(left.size).toBe(20);
  });
});

describe("Ctrl-C", () => {
  test("ends it after the items in hand, once; the same command goes on", async () => {
    const before = process.listenerCount("SIGINT");
    const asked = Promise.withResolvers<undefined>();
    const { done, left, tries } = work(numbered(50), async (item) => {
      if (item === "item-7") asked.resolve(undefined);
      if (Number(item.slice(5)) > 3) await interrupted.promise;
    });
    const interrupted = Promise.withResolvers<undefined>();
    await asked.promise;
    const [ask] = process.listeners("SIGINT").slice(-1);
    ask?.("SIGINT");
    interrupted.resolve(undefined);
    expect(await failureOf(done)).toMatchObject({ failure: "interrupted" });
    expect(tries()).toBe(50 - left.size);
    expect(tries()).toBeLessThan(50);
    expect(process.listenerCount("SIGINT"), "nobody listens after it").toBe(before);
  });
});
