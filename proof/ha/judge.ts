import type { Promised } from "../proof.ts";
import type { Event, Findings, Kind, Placed, Strike } from "./events.ts";

/** What happened from one fault to the next, or before the first. Lengths are in milliseconds. */
export type Stretch = Readonly<{
  fault: Strike["fault"] | "none yet" | "all";
  writes: number;
  lost: number;
  /** From the fault to the first acknowledgement of a write that began after it; `null` where there was none. */
  writeGapMs: number | null;
  cached: number;
  cachedFailed: number;
  uncached: number;
  /** By whether they touched the time until both a write and an uncached read had succeeded again. */
  uncachedFailedInGap: number;
  uncachedFailedElsewhere: number;
  /** As the gap of writes, for reads of which the process has no copy. */
  readGapMs: number | null;
  stale: number;
  orders: number;
  ordersTwice: number;
  /** Of all failures, with their number: what was asked, and the code of the answer. */
  codes: Readonly<Record<string, number>>;
}>;

const readKinds: readonly Kind[] = ["cached", "uncached", "either"];

export const isRead = ({ kind }: Event): boolean => readKinds.includes(kind);
const hasFailed = ({ outcome }: Event): boolean => outcome === "try_again" || outcome === "refused";
/** Acknowledged and not there, or declined and there all the same. */
const isDenied = ({ acknowledged, times }: Placed): boolean => acknowledged !== times > 0;
const isWrong = ({ outcome }: Event): boolean => outcome === "stale" || outcome === "foreign";

/** What each fault did, in order. Whatever ended before the first is a stretch of its own. */
export function stretchesOf(findings: Findings): readonly Stretch[] {
  const { strikes } = findings;
  const starts: readonly Readonly<{ fault: Stretch["fault"]; at: number }>[] = [
    { fault: "none yet", at: -Infinity },
    ...strikes,
  ];
  return starts.map(({ fault, at }, index) =>
    describe(findings, fault, at, starts[index + 1]?.at ?? Infinity),
  );
}

function describe(findings: Findings, fault: Stretch["fault"], from: number, to: number): Stretch {
  const within = (at: number): boolean => at >= from && at < to;
  const events = findings.events.filter(({ ended }) => within(ended));
  const of = (...kinds: readonly Kind[]): readonly Event[] =>
    events.filter(({ kind }) => kinds.includes(kind));
  const writes = findings.writes.filter(({ at }) => within(at));
  const orders = findings.orders.filter(({ at }) => within(at));
  const gapOf = (kind: Kind): number | null => gap(of(kind), from);
  const [writeGapMs, readGapMs] = [gapOf("write"), gapOf("uncached")];
  const recoveredAt = from + Math.max(writeGapMs ?? Infinity, readGapMs ?? Infinity);
  const uncachedFailed = of("uncached", "either").filter(hasFailed);
  const inGap = uncachedFailed.filter(({ began }) => Number.isFinite(from) && began < recoveredAt);
  return {
    fault,
    writes: writes.length,
    lost: writes.filter(({ lost }) => lost).length,
    writeGapMs,
    cached: of("cached").length,
    cachedFailed: of("cached").filter(hasFailed).length,
    uncached: of("uncached", "either").length,
    uncachedFailedInGap: inGap.length,
    uncachedFailedElsewhere: uncachedFailed.length - inGap.length,
    readGapMs,
    stale: events.filter(isWrong).length,
    orders: orders.length,
    ordersTwice: orders.filter(({ times }) => times > 1).length,
    codes: countCodes(events),
  };
}

/** Nothing is known of a gap before the first fault. */
function gap(events: readonly Event[], from: number): number | null {
  if (!Number.isFinite(from)) return null;
  const ends = events
    .filter(({ outcome, began }) => outcome === "ok" && began >= from)
    .map(({ ended }) => ended);
  return ends.length === 0 ? null : Math.min(...ends) - from;
}

function countCodes(events: readonly Event[]): Readonly<Record<string, number>> {
  const counts = new Map<string, number>();
  for (const { kind, code } of events)
    if (code !== null) counts.set(`${kind} ${code}`, (counts.get(`${kind} ${code}`) ?? 0) + 1);
  return Object.fromEntries(counts);
}

/** All of them: sums, and the longest gaps. */
export function sumUp(stretches: readonly Stretch[]): Stretch {
  const sum = (number: (stretch: Stretch) => number): number =>
    stretches.reduce((total, stretch) => total + number(stretch), 0);
  const longest = (gap: (stretch: Stretch) => number | null): number | null => {
    const known = stretches.map(gap).filter((length) => length !== null);
    return known.length === 0 ? null : Math.max(...known);
  };
  const codes = [...new Set(stretches.flatMap((stretch) => Object.keys(stretch.codes)))];
  return {
    fault: "all",
    writes: sum(({ writes }) => writes),
    lost: sum(({ lost }) => lost),
    writeGapMs: longest(({ writeGapMs }) => writeGapMs),
    cached: sum(({ cached }) => cached),
    cachedFailed: sum(({ cachedFailed }) => cachedFailed),
    uncached: sum(({ uncached }) => uncached),
    uncachedFailedInGap: sum(({ uncachedFailedInGap }) => uncachedFailedInGap),
    uncachedFailedElsewhere: sum(({ uncachedFailedElsewhere }) => uncachedFailedElsewhere),
    readGapMs: longest(({ readGapMs }) => readGapMs),
    stale: sum(({ stale }) => stale),
    orders: sum(({ orders }) => orders),
    ordersTwice: sum(({ ordersTwice }) => ordersTwice),
    codes: Object.fromEntries(codes.map((code) => [code, sum((stretch) => stretch.codes[code] ?? 0)])),
  };
}

/** By name, so that each control can say which of them it breaks. */
export type HaPromises = Readonly<
  Record<"writes" | "reads" | "copies" | "twice" | "orders" | "failures" | "credentials", Promised>
>;

type Judged = Pick<Findings, "events" | "writes" | "orders" | "credentials">;

export function judge({ events, writes, orders, credentials }: Judged): HaPromises {
  const reads = events.filter(isRead);
  const cached = reads.filter(({ kind }) => kind === "cached");
  const promised = (text: string, tried: readonly unknown[], broken: readonly unknown[]): Promised => ({
    text,
    tried: tried.length,
    broken: broken.length,
  });
  return {
    writes: promised(
      "acknowledged writes lost",
      writes,
      writes.filter(({ lost }) => lost),
    ),
    reads: promised(
      "reads of a secret that had been replaced, or that nobody sent",
      reads,
      reads.filter(isWrong),
    ),
    copies: promised("reads of which the process has a copy failed", cached, cached.filter(hasFailed)),
    twice: promised(
      "orders were placed twice at the venue",
      orders,
      orders.filter(({ times }) => times > 1),
    ),
    orders: promised(
      "orders are at the venue, or not, against what was answered",
      orders,
      orders.filter(isDenied),
    ),
    failures: promised(
      "answers were neither a success nor a 503 that says to try again",
      events,
      events.filter(({ outcome }) => outcome === "refused"),
    ),
    credentials: {
      text: "credentials were changed by a failure",
      tried: credentials.count,
      broken: credentials.changed,
    },
  };
}
