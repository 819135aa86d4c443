import { describe, expect, test, vi } from "vitest";
import { type Order, ProcessLost, type Stage } from "../../../../src/venues/process/child.ts";
import {
  createPool,
  type PoolChild,
  type PoolEvent,
  type PoolOptions,
} from "../../../../src/venues/process/pool.ts";
import type { Job } from "../../../../src/venues/process/protocol.ts";
import { type VenuesConfig, venueSettings } from "../../../../src/venues/settings.ts";

const job: Job = { venue: "example", environment: "live", verb: "inspect" };
const answer = { outcome: "absent" } as const;
const notMade = { outcome: "venue_unavailable", unsent: true };

type Pending = PromiseWithResolvers<typeof answer> & { tenantId: string; stage: Stage };

/** A venue process whose calls end when the test says so. */
class FakeChild implements PoolChild {
  readonly pending: Pending[] = [];
  readonly onLost: (running: readonly string[]) => void;
  busy = 0;
  calls = 0;
  memory = 0;
  lost = false;
  stopped = false;
  quiet = false;
  stalled = false;

  constructor(onLost: (running: readonly string[]) => void) {
    this.onLost = onLost;
  }

  async call({ tenantId }: Order): Promise<typeof answer> {
    this.busy += 1;
    this.calls += 1;
    const pending: Pending = { ...Promise.withResolvers<typeof answer>(), tenantId, stage: "sent" };
    this.pending.push(pending);
    try {
      return await pending.promise;
    } finally {
      this.busy -= 1;
    }
  }

  readonly expected: string[] = [];
  givesWay = false;

  giveWay(): void {
    this.givesWay = true;
  }

  expect(venues: readonly string[]): void {
    this.expected.push(...venues);
  }

  async ready(): Promise<void> {}

  isStalled(): boolean {
    return this.stalled;
  }

  /** Ends, as a process does that was killed. */
  async stop(): Promise<void> {
    if (this.lost) return;
    this.stopped = true;
    this.lost = true;
    this.onLost(this.pending.map(({ tenantId }) => tenantId));
    for (const pending of this.pending.splice(0)) pending.reject(new ProcessLost("stopped", pending.stage));
  }

  /** The calls that are under way have come so far only. */
  hold(stage: "given" | "begun"): void {
    for (const pending of this.pending) pending.stage = stage;
  }

  finish(): void {
    for (const pending of this.pending.splice(0)) pending.resolve(answer);
  }
}

function poolOf(processes: number, config: VenuesConfig = {}, options: PoolOptions = {}) {
  const children: FakeChild[] = [];
  const events: PoolEvent[] = [];
  const pool = createPool(venueSettings({ processes, ...config }), {
    start(_settings, onLost) {
      const child = new FakeChild(onLost);
      children.push(child);
      return child;
    },
    report: (event) => events.push(event),
    ...options,
  });
  const calls = { count: 0 };
  /** By a tenant of its own, unless one is named. */
  const call = (tenantId = `tenant ${(calls.count += 1)}`) => pool.call(tenantId, job, [new Map()]);
  return { pool, children, events, call };
}

function at<T>(list: readonly T[], index: number): T {
  const item = list.at(index);
  if (item === undefined) throw new RangeError(`there is no item ${index}`);
  return item;
}

describe("the venue processes", () => {
  test("are not started before the first call", async () => {
    const { pool, children, call } = poolOf(2);
    expect(children).toHaveLength(0);
    const first = call();
    expect(children).toHaveLength(1);
    await pool.close();
    await first;
  });

  test("are one while there is little to do, and never more than were allowed", async () => {
    const { children, call } = poolOf(2);
    const calls = Array.from({ length: 4 }, () => call());
    expect(children).toHaveLength(1);
    calls.push(...Array.from({ length: 100 }, () => call()));
    expect(children).toHaveLength(2);
    const loads = children.map(({ busy }) => busy);
    expect(Math.abs((loads[0] ?? 0) - (loads[1] ?? 0))).toBeLessThanOrEqual(1);
    for (const child of children) child.finish();
    expect(new Set(await Promise.all(calls))).toEqual(new Set([answer]));
  });

  test("that are lost leave an indefinite outcome and are replaced", async () => {
    const { children, call } = poolOf(1);
    const lost = call();
    await children[0]?.stop();
    expect(await lost).toMatchObject({ outcome: "venue_unavailable" });
    const next = call();
    expect(children).toHaveLength(2);
    children[1]?.finish();
    expect(await next).toEqual(answer);
  });

  test.each([
    ["done many calls", { calls: 20_000 }],
    ["grown large", { memory: 2 * 1024 ** 3 }],
  ])("that have %s finish what they began and are then replaced", async (_name, worn) => {
    const { children, call } = poolOf(1);
    const [early, late] = [call(), call()];
    const [old] = children;
    if (old === undefined) throw new Error("no process was started");
    Object.assign(old, worn);
    old.pending.shift()?.resolve(answer);
    expect(await early).toEqual(answer);
    expect(old.stopped).toBe(false);
    const next = call();
    expect(children).toHaveLength(2);
    expect(children[1]?.busy).toBe(1);
    old.finish();
    expect(await late).toEqual(answer);
    expect(old.stopped).toBe(true);
    children[1]?.finish();
    expect(await next).toEqual(answer);
  });

  test("are ended with the pool, which then takes no more calls", async () => {
    const { pool, children, call } = poolOf(2);
    const under = call();
    await pool.close();
    expect(children.every(({ stopped }) => stopped)).toBe(true);
    expect(await under).toMatchObject({ outcome: "venue_unavailable" });
    expect(await call()).toMatchObject(notMade);
    expect(children).toHaveLength(1);
  });

  test.each([0, 1.5, Number.NaN])("cannot be %d", (processes) => {
    expect(() => venueSettings({ processes })).toThrow(RangeError);
    expect(() => venueSettings({ callsPerTenant: processes })).toThrow(RangeError);
    expect(() => venueSettings({ processMemoryBytes: processes })).toThrow(RangeError);
  });

  test("are two at least when nothing else is said", () => {
    expect(venueSettings({}).processes).toBeGreaterThanOrEqual(2);
  });

  test.each([{ timeoutMs: 0 }, { timeoutMs: Number.NaN }, { maxBodyBytes: 10 }])(
    "need sensible bounds: %o",
    (config) => {
      expect(() => venueSettings(config)).toThrow(RangeError);
    },
  );
});

describe("a call that did not leave", () => {
  test("goes to another process when its own is lost", async () => {
    const { children, call } = poolOf(1);
    const [left, held] = [call("a"), call("b")];
    at(at(children, 0).pending, 1).stage = "begun";
    await at(children, 0).stop();
    expect(await left).toEqual({ outcome: "venue_unavailable", message: expect.any(String) });
    await vi.waitFor(() => expect(children.length).toBeGreaterThan(1));
    at(children, -1).finish();
    expect(await held).toEqual(answer);
  });

  test.each([
    ["given", 3],
    ["begun", 2],
  ] as const)("is told as not made when process after process is lost (%s)", async (stage, processes) => {
    const { children, call } = poolOf(1);
    const held = call();
    for (let loss = 0; loss < processes; loss += 1) {
      await vi.waitFor(() => expect(children).toHaveLength(loss + 1));
      at(children, loss).hold(stage);
      await at(children, loss).stop();
    }
    expect(await held).toMatchObject(notMade);
    expect(children).toHaveLength(processes);
  });
});

describe("one tenant", () => {
  test("has no more calls under way than it may, and leaves the rest to others", async () => {
    const { children, call } = poolOf(1, { callsPerTenant: 3 });
    const under = Array.from({ length: 3 }, () => call("greedy"));
    expect(await call("greedy")).toMatchObject(notMade);
    const other = call("modest");
    expect(at(children, 0).busy).toBe(4);
    at(children, 0).finish();
    await Promise.all([...under, other]);
    const next = call("greedy");
    at(children, 0).finish();
    expect(await next).toEqual(answer);
  });

  test("whose call alone was running when a process died shares none with others for an hour", async () => {
    const { children, call, events } = poolOf(2);
    const first = call("suspect");
    await at(children, 0).stop();
    await first;
    const [again, other] = [call("suspect"), call("other")];
    expect(children.slice(1).map(({ pending }) => pending.map(({ tenantId }) => tenantId))).toEqual([
      ["suspect"],
      ["other"],
    ]);
    expect(events).toEqual([
      { kind: "replaced", reason: "ended", tenants: ["suspect"] },
      { kind: "suspects", count: 1 },
    ]);
    for (const child of children) child.finish();
    await Promise.all([again, other]);
  });

  test("is with the others again when its time is over", async () => {
    const { children, call } = poolOf(1, {}, { suspectForMs: 20 });
    const first = call("suspect");
    await at(children, 0).stop();
    await first;
    await new Promise((resolve) => setTimeout(resolve, 30));
    const both = [call("other"), call("suspect")];
    expect(at(children, 1).pending.map(({ tenantId }) => tenantId)).toEqual(["other", "suspect"]);
    at(children, 1).finish();
    await Promise.all(both);
  });

  test("is not kept apart where that is switched off", async () => {
    const { children, call } = poolOf(1, {}, { confineSuspects: false });
    const first = call("suspect");
    await at(children, 0).stop();
    await first;
    const both = [call("suspect"), call("other")];
    expect(at(children, 1).busy).toBe(2);
    at(children, 1).finish();
    await Promise.all(both);
  });
});

describe("several suspects", () => {
  test("share a process, and the one whose call began last has a process of its own", async () => {
    const { children, call } = poolOf(1);
    const tenantsOf = (child: FakeChild) => child.pending.map(({ tenantId }) => tenantId);
    const begun = [call("a"), call("b"), call("last")];
    await at(children, 0).stop();
    await Promise.all(begun);
    const apart = [call("a"), call("b"), call("last"), call("other")];
    const [shared, alone, general] = children.slice(1);
    if (shared === undefined || alone === undefined || general === undefined) throw new Error("too few");
    expect([shared, alone, general].map(tenantsOf)).toEqual([["a", "b"], ["last"], ["other"]]);
    await shared.stop();
    await alone.stop();
    general.finish();
    await Promise.all(apart);
    // A second stall with several at work in it shows no more than the first, so each keeps its place.
    const kept = [call("a"), call("b"), call("last"), call("other")];
    expect(children.slice(4).map(tenantsOf)).toEqual([["a", "b"], ["last"]]);
    expect(tenantsOf(general)).toEqual(["other"]);
    for (const child of children) child.finish();
    await Promise.all(kept);
  });

  test("are refused one by one, where a process with calls of one suspect alone stops once more", async () => {
    const { children, call } = poolOf(1);
    const begun = [call("chance"), call("first")];
    await at(children, 0).stop();
    await Promise.all(begun);
    // "first" has the process for one, so "guilty" comes to that of several, whatever else it does at once.
    const calls = [call("guilty"), call("guilty")];
    await at(children, 1).stop();
    await Promise.all(calls);
    const [strike, again] = [call("guilty"), call("guilty")];
    await at(children, 2).stop();
    await Promise.all([strike, again]);
    expect(await call("guilty")).toMatchObject(notMade);
    const others = [call("chance"), call("first"), call("other")];
    for (const child of children) child.finish();
    expect(await Promise.all(others)).toEqual([answer, answer, answer]);
  });
});

describe("a process whose event loop stands still", () => {
  test("is replaced, and those at work in it are suspects", async () => {
    const { children, call, events } = poolOf(1);
    const under = call("tenant");
    at(children, 0).stalled = true;
    expect(await under).toMatchObject({ outcome: "venue_unavailable" });
    expect(events[0]).toEqual({ kind: "replaced", reason: "stalled", tenants: ["tenant"] });
  });

  test("gets no call while another is there", async () => {
    const { children, call } = poolOf(2);
    const first = call();
    at(children, 0).quiet = true;
    const second = call();
    expect(children.map(({ busy }) => busy)).toEqual([1, 1]);
    for (const child of children) child.finish();
    await Promise.all([first, second]);
  });

  test("has another started beside it, for the calls that it held up and not for the likeliest culprit", async () => {
    const { children, call, pool } = poolOf(1);
    const held = call("victim");
    const last = call("attacker");
    at(children, 0).hold("begun");
    expect(children, "the control: nothing is silent yet").toHaveLength(1);
    at(children, 0).quiet = true;
    await expect.poll(() => children.length).toBe(2);
    expect(at(children, 1).expected).toEqual(["example"]);
    at(children, 0).stalled = true;
    await expect.poll(() => children.length).toBe(3);
    await expect.poll(() => at(children, 2).pending.map(({ tenantId }) => tenantId)).toEqual(["attacker"]);
    expect(at(children, 1).pending.map(({ tenantId }) => tenantId)).toEqual(["victim"]);
    expect(children.map(({ givesWay }) => givesWay)).toEqual([false, false, true]);
    for (const child of children) child.finish();
    expect(await Promise.all([held, last])).toEqual([answer, answer]);
    await pool.close();
  });

  test("finds another ready, which has the code of the venues that were called", async () => {
    const { children, call, pool } = poolOf(1, {}, { spareAfterMs: 1 });
    const first = call("victim");
    await expect.poll(() => children.length).toBe(2);
    expect(at(children, 1).expected).toEqual(["example"]);
    const other = pool.call("victim", { ...job, venue: "another" }, []);
    expect(at(children, 1).expected, "the control: once").toEqual(["example", "another"]);
    expect(at(children, 1).calls).toBe(0);
    at(children, 0).hold("begun");
    at(children, 0).stalled = true;
    await expect.poll(() => at(children, 1).calls + at(children, 2).calls).toBe(2);
    await pool.close();
    await Promise.all([first, other]);
  });

  test("is left where that is switched off", async () => {
    const { children, call, pool } = poolOf(1, {}, { replaceStalled: false });
    const under = call();
    at(children, 0).stalled = true;
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(at(children, 0).stopped).toBe(false);
    await pool.close();
    await under;
  });
});
