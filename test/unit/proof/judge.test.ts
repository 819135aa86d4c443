import { describe, expect, test } from "vitest";
import { KeyholdProblem } from "../../../client/index.ts";
import { ask, eventOf } from "../../../proof/ha/client.ts";
import type { Event, Findings } from "../../../proof/ha/events.ts";
import { type HaPromises, judge, stretchesOf, sumUp } from "../../../proof/ha/judge.ts";
import { held } from "../../../proof/proof.ts";

const event = (changes: Partial<Event> = {}): Event => ({
  kind: "cached",
  outcome: "ok",
  code: null,
  began: 0,
  ended: 1,
  ...changes,
});

/** One of everything, and all of it as it must be. */
const good: Findings = {
  strikes: [{ fault: "leader-killed", at: 100 }],
  events: [event(), event({ kind: "uncached" }), event({ kind: "write" }), event({ kind: "order" })],
  writes: [{ at: 1, lost: false }],
  orders: [{ at: 1, acknowledged: true, times: 1 }],
  credentials: { count: 1, changed: 0 },
  lookUps: { fresh: 1, grace: 0, store: 1 },
};

const broken = (findings: Findings): readonly string[] =>
  Object.entries(judge(findings)).flatMap(([name, promise]) => (held(promise) ? [] : [name]));

const withEvent = (changes: Partial<Event>): Findings => ({
  ...good,
  events: [...good.events, event(changes)],
});

describe("what is promised", () => {
  test("holds where everything is as it must be", () => {
    expect(broken(good)).toEqual([]);
  });

  const breaches: readonly (readonly [keyof HaPromises, string, Findings])[] = [
    ["writes", "an acknowledged write is lost", { ...good, writes: [...good.writes, { at: 2, lost: true }] }],
    ["reads", "an old secret is read", withEvent({ kind: "either", outcome: "stale" })],
    ["reads", "a secret is read that nobody sent", withEvent({ outcome: "foreign" })],
    [
      "copies",
      "a cached read fails, whatever it says",
      withEvent({ outcome: "try_again", code: "store_unavailable" }),
    ],
    ["twice", "the venue has an order twice", { ...good, orders: [{ at: 1, acknowledged: true, times: 2 }] }],
    [
      "orders",
      "an acknowledged order is missing",
      { ...good, orders: [{ at: 1, acknowledged: true, times: 0 }] },
    ],
    ["orders", "a declined order is there", { ...good, orders: [{ at: 1, acknowledged: false, times: 1 }] }],
    [
      "failures",
      "a failure is definite",
      withEvent({ kind: "uncached", outcome: "refused", code: "secret_lost" }),
    ],
    ["credentials", "a credential is changed", { ...good, credentials: { count: 1, changed: 1 } }],
  ];
  test.for(breaches)("%s: it is broken when %s", ([name, , findings]) => {
    expect(broken(findings)).toEqual([name]);
  });

  test("does not hold where it was never put to the test", () => {
    expect(
      broken({ ...good, events: [], writes: [], orders: [], credentials: { count: 0, changed: 0 } }),
    ).toEqual(Object.keys(judge(good)));
  });

  test("allows an uncached read to fail for a while", () => {
    expect(broken(withEvent({ kind: "uncached", outcome: "try_again", code: "store_unavailable" }))).toEqual(
      [],
    );
  });
});

describe("an answer", () => {
  const eventAfter = async (sent: Promise<Readonly<{ data: object; response: Response }>>): Promise<Event> =>
    eventOf("uncached", await ask(() => sent), () => "ok");
  const outcome = async (status: number, code: string, detail: string): Promise<string> => {
    const document = { code, title: "It is so", detail };
    const problem = new KeyholdProblem(new Response(null, { status }), document);
    return (await eventAfter(Promise.reject(problem))).outcome;
  };

  test("says to try again only as an indefinite 503 that has these words", async () => {
    expect(await outcome(503, "store_unavailable", "It cannot be reached now. Try again later.")).toBe(
      "try_again",
    );
    expect(await outcome(503, "store_unavailable", "It cannot be reached now.")).toBe("refused");
    expect(await outcome(503, "secret_lost", "It is gone. Try again later.")).toBe("refused");
    expect(await outcome(500, "store_unavailable", "Try again later.")).toBe("refused");
    expect(await outcome(422, "venue_refused", "Too little money.")).toBe("declined");
  });

  test("is a success with any body", async () => {
    const response = new Response();
    expect(await eventAfter(Promise.resolve({ data: {}, response }))).toMatchObject({ outcome: "ok" });
  });

  test("is none where the connection broke, or something else than Keyhold answered", async () => {
    const none = { outcome: "refused", code: "no_answer" };
    expect(await eventAfter(Promise.reject(new TypeError("fetch failed")))).toMatchObject(none);
    const foreign = new KeyholdProblem(new Response(null, { status: 503 }), {});
    expect(await eventAfter(Promise.reject(foreign))).toMatchObject(none);
  });
});

describe("the stretch after a fault", () => {
  const after = (events: readonly Event[]) => stretchesOf({ ...good, events })[1];

  test("has gaps that end with the first success which began after the fault", () => {
    const stretch = after([
      event({ kind: "write", began: 90, ended: 110 }),
      event({ kind: "write", began: 105, ended: 3100 }),
      event({ kind: "write", outcome: "try_again", began: 101, ended: 2000 }),
      event({ kind: "uncached", began: 120, ended: 1600 }),
    ]);
    expect(stretch).toMatchObject({ writeGapMs: 3000, readGapMs: 1500 });
  });

  test("tells failures in the gap from those elsewhere", () => {
    const failed = { kind: "uncached", outcome: "try_again", code: "store_unavailable" } as const;
    const stretch = after([
      event({ kind: "write", began: 105, ended: 3100 }),
      event({ kind: "uncached", began: 120, ended: 1600 }),
      event({ ...failed, began: 90, ended: 200 }),
      event({ ...failed, began: 3000, ended: 4000 }),
      event({ ...failed, began: 3200, ended: 4000 }),
    ]);
    expect(stretch).toMatchObject({ uncachedFailedInGap: 2, uncachedFailedElsewhere: 1 });
  });

  test("has no gap where nothing succeeded, and then every failure is in it", () => {
    const stretch = after([
      event({ kind: "uncached", outcome: "refused", code: "no_answer", began: 110, ended: 9000 }),
    ]);
    expect(stretch).toMatchObject({ writeGapMs: null, readGapMs: null, uncachedFailedInGap: 1 });
  });

  test("is added up with the others, but for the gaps, of which the longest counts", () => {
    const strikes = [...good.strikes, { fault: "all-killed", at: 200 } as const];
    const events = [
      event({ kind: "write", began: 101, ended: 150 }),
      event({ kind: "write", began: 201, ended: 290 }),
      event({ kind: "write", outcome: "try_again", code: "store_unavailable", began: 201, ended: 250 }),
    ];
    expect(sumUp(stretchesOf({ ...good, strikes, events }))).toMatchObject({
      fault: "all",
      writes: 1,
      writeGapMs: 90,
      codes: { "write store_unavailable": 1 },
    });
  });
});
