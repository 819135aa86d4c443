import { describe, expect, test } from "vitest";
import { byTenant, doRound } from "../../../src/db/sweep.ts";

type Step = Readonly<{ tenant_id: string; venue: string }>;

const stepsOf = (tenant_id: string, venue: string, count: number): readonly Step[] =>
  Array.from({ length: count }, () => ({ tenant_id, venue }));
const byVenue = (atOnce: number) => ({ word: ({ venue }: Step) => venue, atOnce });
const never = 3_600_000;

/** Work that ends only when it is released, and who began it. */
function hanging(hangs: (step: Step) => boolean) {
  const begun: Step[] = [];
  const released = Promise.withResolvers<undefined>();
  const work = async (step: Step): Promise<void> => {
    begun.push(step);
    if (hangs(step)) await released.promise;
  };
  const count = (tenant: string) => begun.filter(({ tenant_id }) => tenant_id === tenant).length;
  return { work, count, release: () => released.resolve(undefined) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("a round", () => {
  test("leaves room for others when 200 steps of one tenant hang, and the control without the bound leaves none", async () => {
    const items = [...stepsOf("hangs", "one", 200), ...stepsOf("other", "two", 5)];
    const bounded = hanging(({ tenant_id }) => tenant_id === "hangs");
    const round = doRound(items, bounded.work, { atOnce: 8, bounds: [byTenant(2)], roundMs: never });
    for (let n = 0; n < 20; n += 1) await turn();
    expect([bounded.count("hangs"), bounded.count("other")]).toEqual([2, 5]);
    bounded.release();
    expect(await round).toEqual({ done: 205, failed: 0 });

    const unbounded = hanging(({ tenant_id }) => tenant_id === "hangs");
    const control = doRound(items, unbounded.work, { atOnce: 8, bounds: [], roundMs: never });
    for (let n = 0; n < 20; n += 1) await turn();
    expect([unbounded.count("hangs"), unbounded.count("other")]).toEqual([8, 0]);
    unbounded.release();
    await control;
  });

  test("holds each of its bounds: a venue that hangs for many tenants leaves room for the other venues", async () => {
    const items = [
      ...Array.from({ length: 50 }, (_, n) => ({ tenant_id: `tenant ${n}`, venue: "hangs" })),
      ...stepsOf("tenant 3", "answers", 3),
    ];
    const { work, count, release } = hanging(({ venue }) => venue === "hangs");
    const round = doRound(items, work, { atOnce: 8, bounds: [byVenue(3), byTenant(2)], roundMs: never });
    for (let n = 0; n < 20; n += 1) await turn();
    expect(count("tenant 3"), "none at the venue that hangs").toBe(3);
    release();
    expect(await round).toEqual({ done: 53, failed: 0 });
  });

  test("begins nothing when it is over, and counts what failed", async () => {
    const work = ({ venue }: Step) =>
      venue === "bad" ? Promise.reject(new Error("bad")) : Promise.resolve();
    const items = [...stepsOf("t", "bad", 2), ...stepsOf("t", "good", 3)];
    expect(await doRound(items, work, { atOnce: 2, bounds: [], roundMs: never })).toEqual({
      done: 3,
      failed: 2,
    });
    expect(await doRound(items, work, { atOnce: 2, bounds: [], roundMs: 0 })).toEqual({ done: 0, failed: 0 });
  });
});
