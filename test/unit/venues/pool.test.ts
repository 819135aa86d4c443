import { describe, expect, test } from "vitest";
import { ProcessLost } from "../../../src/venues/child.ts";
import { createPool, type PoolChild } from "../../../src/venues/pool.ts";
import type { Job } from "../../../src/venues/protocol.ts";
import { venueSettings } from "../../../src/venues/settings.ts";

const job: Job = { venue: "example", environment: "live", verb: "inspect" };
/** To a job of either kind. */
const answer = { outcome: "absent" } as const;

/** A venue process whose calls end when the test says so. */
class FakeChild implements PoolChild {
  readonly pending: PromiseWithResolvers<typeof answer>[] = [];
  busy = 0;
  calls = 0;
  memory = 0;
  lost = false;
  stopped = false;

  async call(): Promise<typeof answer> {
    this.busy += 1;
    this.calls += 1;
    const pending = Promise.withResolvers<typeof answer>();
    this.pending.push(pending);
    try {
      return await pending.promise;
    } finally {
      this.busy -= 1;
    }
  }

  manageKeys(): Promise<typeof answer> {
    return this.call();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.lost = true;
    for (const pending of this.pending) pending.reject(new ProcessLost("stopped"));
  }

  finish(): void {
    for (const pending of this.pending.splice(0)) pending.resolve(answer);
  }
}

function poolOf(processes: number) {
  const children: FakeChild[] = [];
  const pool = createPool(venueSettings({ processes }), () => {
    const child = new FakeChild();
    children.push(child);
    return child;
  });
  const call = () => pool.call(job, new Map());
  return { pool, children, call };
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
    const calls = Array.from({ length: 4 }, call);
    expect(children).toHaveLength(1);
    calls.push(...Array.from({ length: 100 }, call));
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
    expect(await call()).toMatchObject({ outcome: "venue_unavailable" });
    expect(children).toHaveLength(1);
  });

  test.each([0, 3, 1.5, Number.NaN])("cannot be %d", (processes) => {
    expect(() => venueSettings({ processes })).toThrow(RangeError);
  });

  test.each([{ timeoutMs: 0 }, { timeoutMs: Number.NaN }, { maxBodyBytes: 10 }])(
    "need sensible bounds: %o",
    (config) => {
      expect(() => venueSettings(config)).toThrow(RangeError);
    },
  );
});
