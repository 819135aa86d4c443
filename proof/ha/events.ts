/**
 * What a request was about. A read is `cached` where the process that is asked has a copy for certain, `uncached` where it has
 * none, and `either` where that is not known. Times are those of `performance.now()` in this process.
 */
export type Kind = "write" | "cached" | "uncached" | "either" | "order";

/**
 * `stale`: an older secret than the last that was acknowledged before the read began. `foreign`: one that nobody sent. `unknown`:
 * an order whose answer was lost, to be asked about again. `declined`: an order that the venue did not take. `try_again`: a 503 that
 * says so. `refused`: anything else.
 */
export type Outcome = "ok" | "stale" | "foreign" | "unknown" | "declined" | "try_again" | "refused";

/** One request, from before it was sent until its whole answer was there. */
export type Event = Readonly<{
  kind: Kind;
  outcome: Outcome;
  /** Of the problem document, or `no_answer`. */
  code: string | null;
  began: number;
  ended: number;
}>;

export const faultNames = ["leader-killed", "leader-frozen", "follower-killed", "all-killed"] as const;
export type FaultName = (typeof faultNames)[number];

/** A fault that was caused at this time. */
export type Strike = Readonly<{ fault: FaultName; at: number }>;

/** A write that was acknowledged at this time; `lost` where it could not be read back. */
export type Written = Readonly<{ at: number; lost: boolean }>;

/** An order, the time at which it was settled, and how often the venue has it. */
export type Placed = Readonly<{ at: number; acknowledged: boolean; times: number }>;

/** Everything that one trial has seen. */
export type Findings = Readonly<{
  strikes: readonly Strike[];
  events: readonly Event[];
  writes: readonly Written[];
  orders: readonly Placed[];
  /** At the end: how many credentials there were, and how many were not as whoever wrote them left them. */
  credentials: Readonly<{ count: number; changed: number }>;
  /** Where sealed secrets came from in the process that serves cached reads, by the service's own count. */
  lookUps: Readonly<Record<"fresh" | "grace" | "store", number>>;
}>;
