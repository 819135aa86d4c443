import { describe, expect, test } from "vitest";
import { moves, type Status, statuses } from "../../../src/credentials/credential.ts";
import { objectionTo } from "../../../src/credentials/judge.ts";
import {
  type Circumstances,
  codeOf,
  consequences,
  isValid,
  settle,
} from "../../../src/credentials/outcome.ts";
import type { Verdict } from "../../../src/venues/verdict.ts";
import { refusals, valid } from "../../../testkit/scripted-venue.ts";

const now = new Date("2026-11-20T12:00:00Z");
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1000);
const hours = 3_600_000;
const plain: Circumstances = { now, activates: false, objection: null, ambiguousMs: 24 * hours, hold: null };

function standing(status: Status, changes: Partial<Parameters<typeof settle>[0]> = {}) {
  return {
    status,
    rejected_at: null,
    refused_since: null,
    refused_as: null,
    held_at: null,
    owner_expires_at: null,
    venue_expires_at: null,
    ...changes,
  };
}

/** Outcome → what becomes of a credential of each status; "–" where nothing changes at all. */
const expected: Readonly<Record<Verdict["outcome"], Readonly<Record<Status, string>>>> = {
  valid: row("active healthy", "active healthy", "inactive healthy", "active healthy", "active healthy"),
  rejected: row(
    "invalid unhealthy",
    "active unhealthy",
    "inactive unhealthy",
    "invalid unhealthy",
    "expired unhealthy",
  ),
  ambiguous: row(
    "pending degraded",
    "active degraded",
    "inactive degraded",
    "invalid unhealthy",
    "expired unhealthy",
  ),
  insufficient_permission: row(
    "invalid unhealthy",
    "active degraded",
    "inactive degraded",
    "invalid degraded",
    "expired degraded",
  ),
  ip_not_allowed: row(
    "invalid unhealthy",
    "active degraded",
    "inactive degraded",
    "invalid degraded",
    "expired degraded",
  ),
  clock_skew: row("–", "–", "–", "–", "–"),
  nonce: row("–", "–", "–", "–", "–"),
  rate_limited: row("–", "–", "–", "–", "–"),
  venue_unavailable: row("–", "–", "–", "–", "–"),
  timeout: row("–", "–", "–", "–", "–"),
  blocked: row("–", "–", "–", "–", "–"),
  unexpected_answer: row("–", "–", "–", "–", "–"),
  unproven: row("active unknown", "–", "inactive unknown", "active unknown", "active unknown"),
};

function row(pending: string, active: string, inactive: string, invalid: string, expired: string) {
  return { pending, active, inactive, invalid, expired, revoked: "–" };
}

const cases = [valid(), ...refusals].flatMap((verdict) =>
  statuses.map((status) => ({ verdict, status, title: titleOf(verdict) })),
);

function titleOf(verdict: Verdict): string {
  return verdict.outcome === "rejected" ? `rejected (${verdict.reason})` : verdict.outcome;
}

describe("what a verdict makes of a credential", () => {
  test("every outcome and every status is looked at", () => {
    expect(Object.keys(consequences).toSorted()).toEqual(Object.keys(expected).toSorted());
    expect(new Set(cases.map(({ verdict }) => verdict.outcome)).size).toBe(Object.keys(expected).length);
  });

  test.each(cases)("$title on $status", ({ verdict, status }) => {
    const settled = settle(standing(status), verdict, plain);
    expect(settled === null ? "–" : `${settled.status} ${settled.health}`).toBe(
      expected[verdict.outcome][status],
    );
    if (settled === null || settled.status === status) return;
    expect(moves[status]).toContain(settled.status);
  });

  test.each(cases.filter(({ status }) => status !== "revoked"))(
    "$title on $status makes no move that is not legal, whatever else is the case",
    ({ verdict, status }) => {
      for (const activates of [true, false]) {
        for (const objection of [null, "No."]) {
          for (const owner_expires_at of [null, later(-1), later(1)]) {
            for (const rejected_at of [null, later(-61)]) {
              const before = standing(status, {
                owner_expires_at,
                rejected_at,
                refused_since: later(-90_000),
              });
              const to = settle(before, verdict, { ...plain, activates, objection })?.status ?? status;
              if (to !== status) expect(moves[status]).toContain(to);
              if (to === "active" && status !== "active") {
                expect(["valid", "unproven"], "nothing else leads back").toContain(verdict.outcome);
                expect(objection, "and no objection stands against it").toBeNull();
              }
            }
          }
        }
      }
    },
  );

  test("is told as true, false, or null where the venue gave no clear answer", () => {
    expect(isValid(valid())).toBe(true);
    const told = new Map(refusals.map((verdict) => [verdict.outcome, isValid(verdict)]));
    expect(Object.fromEntries(told)).toEqual({
      rejected: false,
      ambiguous: false,
      insufficient_permission: false,
      ip_not_allowed: false,
      clock_skew: null,
      nonce: null,
      rate_limited: null,
      venue_unavailable: null,
      timeout: null,
      blocked: null,
      unexpected_answer: null,
      unproven: null,
    });
    expect(refusals.map(({ outcome }) => codeOf(outcome)).filter((code) => code === "illegal_state")).toEqual(
      [],
    );
  });
});

describe("the doubt before an end", () => {
  const rejected = refusals[0] ?? valid();
  const gone = refusals.find((verdict) => verdict.outcome === "rejected" && verdict.reason === "expired");

  test("a first refusal of an active credential is a doubt and no end", () => {
    expect(settle(standing("active"), rejected, plain)).toMatchObject({ status: "active", rejectedAt: now });
  });

  test("a second one within the minute decides nothing and does not move the doubt", () => {
    const since = later(-59.999);
    const settled = settle(standing("active", { rejected_at: since }), rejected, plain);
    expect(settled).toMatchObject({ status: "active", rejectedAt: since });
  });

  test("a second one after a minute ends it, as expired where the venue says so", () => {
    const doubted = standing("active", { rejected_at: later(-60) });
    expect(settle(doubted, rejected, plain)).toMatchObject({ status: "invalid", rejectedAt: null });
    expect(settle(doubted, gone ?? rejected, plain)).toMatchObject({ status: "expired", rejectedAt: null });
  });

  test("any answer that accepts the key ends the doubt, and one that tells nothing leaves it", () => {
    const doubted = standing("active", { rejected_at: later(-60) });
    expect(settle(doubted, valid(), plain)).toMatchObject({ status: "active", rejectedAt: null });
    expect(
      settle(doubted, { outcome: "ip_not_allowed", message: "" }, plain),
      "the venue knows the key",
    ).toMatchObject({ status: "active", rejectedAt: null });
    expect(settle(doubted, { outcome: "timeout", message: "" }, plain)).toBeNull();
  });
});

describe("an ambiguous refusal", () => {
  const ambiguous = { outcome: "ambiguous", causes: ["key", "address"], message: "It did not say." } as const;
  const since = (seconds: number, refused_as: "ambiguous" | "ip_not_allowed" = "ambiguous") =>
    standing("active", { refused_since: later(-seconds), refused_as });

  test("leaves the credential usable for as long as it is set, and then ends it with that reason", () => {
    expect(settle(standing("active"), ambiguous, plain)).toMatchObject({
      status: "active",
      refusedSince: now,
    });
    expect(settle(since(24 * 3600 - 1), ambiguous, plain)).toMatchObject({ status: "active" });
    expect(settle(since(24 * 3600), ambiguous, plain)).toMatchObject({
      status: "invalid",
      health: "unhealthy",
      healthMessage: "It did not say. It has been so for 24 hours.",
    });
    expect(settle(since(2 * 3600), ambiguous, { ...plain, ambiguousMs: hours })?.status).toBe("invalid");
  });

  test.each(["clock", "address"] as const)("ends nothing while the %s may be the reason", (hold) => {
    expect(settle(since(90 * 3600), ambiguous, { ...plain, hold })).toMatchObject({
      status: "active",
      health: "degraded",
    });
  });

  test("is timed from when the key was refused, and not from when its address was", () => {
    expect(settle(since(90 * 3600, "ip_not_allowed"), ambiguous, plain)).toMatchObject({
      status: "active",
      refusedSince: now,
    });
  });

  test("ends a pending credential no sooner than an active one", () => {
    const pending = standing("pending", { refused_since: later(-24 * 3600), refused_as: "ambiguous" });
    expect(settle(standing("pending"), ambiguous, plain)?.status).toBe("pending");
    expect(settle(pending, ambiguous, plain)?.status).toBe("invalid");
  });

  test("is forgotten when the venue accepts the key", () => {
    expect(settle(since(3600), valid(), plain)).toMatchObject({ health: "healthy", refusedSince: null });
  });
});

describe("a refusal that is held back", () => {
  const rejected = refusals[0] ?? valid();
  const doubted = standing("active", {
    rejected_at: later(-61),
    refused_since: later(-61),
    refused_as: "rejected",
  });

  test("leaves an active credential degraded, and begins the hold once", () => {
    const held = settle(doubted, rejected, { ...plain, hold: "many" });
    expect(held).toMatchObject({ status: "active", health: "degraded", heldAt: now });
    const again = settle({ ...doubted, held_at: later(-900) }, rejected, { ...plain, hold: "many" });
    expect(again).toMatchObject({ status: "active", heldAt: later(-900) });
    expect(settle({ ...doubted, held_at: later(-900) }, rejected, plain)).toMatchObject({
      status: "invalid",
      heldAt: null,
    });
  });

  test("because of the clock ends no pending credential either, and begins no doubt", () => {
    for (const status of ["pending", "active"] as const) {
      const held = settle(standing(status), rejected, { ...plain, hold: "clock" });
      expect(held, status).toMatchObject({ status, health: "degraded", rejectedAt: null });
    }
  });
});

describe("what stands against a valid verdict", () => {
  test("a switched-off credential is switched on only when its owner asked for it", () => {
    expect(settle(standing("inactive"), valid(), plain)).toMatchObject({ status: "inactive" });
    expect(settle(standing("inactive"), valid(), { ...plain, activates: true })).toMatchObject({
      status: "active",
    });
  });

  test.each([
    ["pending", "invalid"],
    ["inactive", "inactive"],
    ["invalid", "invalid"],
    ["expired", "expired"],
    ["active", "active"],
  ] as const)("with an objection of the tenant's policy, %s becomes %s", (status, to) => {
    const settled = settle(standing(status), valid(), {
      ...plain,
      activates: true,
      objection: "The key may withdraw.",
    });
    expect(settled?.status).toBe(to);
    if (status !== "active") expect(settled?.healthMessage).toBe("The key may withdraw.");
  });

  test("the policy objects to withdraw, to unknown words, and to what the venue does not tell if it says so", () => {
    const objects = (changes: Parameters<typeof valid>[0], policy: Parameters<typeof objectionTo>[1]) =>
      objectionTo(valid(changes).permissions, policy)?.code ?? null;
    expect(objects({}, {})).toBeNull();
    expect(objects({ permissions: { withdraw: "yes" } }, {})).toBe("withdraw_refused");
    expect(objects({ permissions: { withdraw: "yes" } }, { allow_withdraw: true })).toBeNull();
    expect(objects({ permissions: { unknownWords: ["teleport"] } }, {})).toBe("withdraw_refused");
    expect(objects({ permissions: { unknownWords: ["teleport"] } }, { allow_withdraw: true })).toBeNull();
    expect(objects({ permissions: { trade: "unknown" } }, {})).toBeNull();
    expect(objects({ permissions: { trade: "unknown" } }, { allow_unknown_permissions: false })).toBe(
      "permissions_unknown",
    );
  });

  test.each([
    ["active", "expired"],
    ["expired", "expired"],
    ["inactive", "inactive"],
    // From here the clock takes it to `expired` at once, which is the one move that leads there.
    ["pending", "active"],
    ["invalid", "active"],
  ] as const)("after its date %s becomes %s", (status, to) => {
    const before = standing(status, { owner_expires_at: now });
    expect(settle(before, valid(), { ...plain, activates: true })?.status).toBe(to);
  });

  test("a later date of the venue's extends its own and never the owner's", () => {
    const told = valid({ expiresAt: later(3600).toISOString() });
    const venues = standing("expired", { venue_expires_at: later(-10) });
    expect(settle(venues, told, plain)).toMatchObject({ status: "active", venueExpiresAt: later(3600) });
    const owners = standing("expired", { owner_expires_at: later(-10), venue_expires_at: later(-10) });
    expect(settle(owners, told, plain)).toMatchObject({ status: "expired", venueExpiresAt: later(3600) });
  });

  test("a key that has no end any more loses the venue's date", () => {
    const before = standing("active", { venue_expires_at: later(10) });
    expect(settle(before, valid(), plain)).toMatchObject({ status: "active", venueExpiresAt: null });
  });
});
