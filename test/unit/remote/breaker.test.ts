import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Breaker, type BreakerState } from "../../../src/remote/breaker.ts";
import { answered, throwDenied, throwUnavailable } from "../../../src/remote/failure.ts";

let states: BreakerState[];
let breaker: Breaker;
let calls: number;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"] });
  states = [];
  calls = 0;
  breaker = new Breaker((state) => states.push(state));
});
afterEach(() => vi.useRealTimers());

async function run(kind: "good" | "failing" | "denied"): Promise<string> {
  const answer = await answered(() =>
    breaker.run(async () => {
      calls += 1;
      if (kind === "failing") throwUnavailable("failing");
      if (kind === "denied") throwDenied("policy");
      return { outcome: "fine", reason: "good" } as const;
    }),
  );
  return answer.reason;
}

async function runAll(kind: Parameters<typeof run>[0], times: number): Promise<void> {
  for (let time = 0; time < times; time += 1) await run(kind);
}

test("opens after five failures in a row, and then nothing is called", async () => {
  await runAll("failing", 4);
  expect(states).toEqual([]);
  expect(await run("failing")).toBe("failing");
  expect(states).toEqual(["open"]);
  expect(await run("good")).toBe("circuit_open");
  expect(calls).toBe(5);
});

test("a success between them starts the count anew", async () => {
  for (let round = 0; round < 3; round += 1) {
    await runAll("failing", 4);
    await run("good");
  }
  expect(states).toEqual([]);
});

test("opens when half of twenty calls within ten seconds failed", async () => {
  for (let pair = 0; pair < 9; pair += 1) {
    await run("good");
    await run("failing");
    vi.advanceTimersByTime(500);
  }
  await run("good");
  expect(states).toEqual([]);
  await run("failing");
  expect(states).toEqual(["open"]);
});

test("does not open when half of twenty calls failed over a long time", async () => {
  for (let pair = 0; pair < 20; pair += 1) {
    await run("good");
    await run("failing");
    vi.advanceTimersByTime(2000);
  }
  expect(states).toEqual([]);
});

test("lets one call through after five seconds: a success closes it", async () => {
  await runAll("failing", 5);
  vi.advanceTimersByTime(4999);
  expect(await run("good")).toBe("circuit_open");
  vi.advanceTimersByTime(1);
  expect(await run("good")).toBe("good");
  expect(states).toEqual(["open", "half_open", "closed"]);
});

test("a failure of that one call opens it again", async () => {
  await runAll("failing", 5);
  vi.advanceTimersByTime(5000);
  expect(await run("failing")).toBe("failing");
  expect(await run("good")).toBe("circuit_open");
  expect(states).toEqual(["open", "half_open", "open"]);
});

test("a refusal is an answer, and never opens it", async () => {
  await runAll("denied", 100);
  expect(states).toEqual([]);
  expect(await run("denied")).toBe("policy");
});
