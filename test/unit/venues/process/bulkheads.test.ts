import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Secret } from "../../../../src/crypto/secret.ts";
import { createVenues, type PoolEvent, type PoolOptions } from "../../../../src/venues/index.ts";
import { Child } from "../../../../src/venues/process/child.ts";
import type { VenuesConfig } from "../../../../src/venues/settings.ts";
import type { FieldName } from "../../../../src/venues/venue.ts";
import { Loopback } from "../loopback.ts";

/** Far more than the test waits for: a call that holds its process until that is ended. */
const forever = 600_000;

const program = new URL("../../../../testkit/spinning-program.ts", import.meta.url);
const open = { market: "open", serverTime: "2026-11-20T12:00:00-05:00" };

let venue: Loopback;

beforeAll(async () => {
  venue = await Loopback.start();
});

beforeEach(() => {
  venue.forget();
  venue.sayJson(open);
});

afterAll(() => venue[Symbol.asyncDispose]());

/** Venues in real processes, in which a call can be made to spin. */
function venuesWith(config: VenuesConfig = {}, options: PoolOptions = {}) {
  const events: PoolEvent[] = [];
  const venues = createVenues(
    { hosts: { massive: venue.url }, processes: 1, ...config },
    {
      start: (settings, onLost) => new Child(settings, { program, onLost }),
      report: (event) => events.push(event),
      // However slow the machine is.
      patienceMs: forever,
      ...options,
    },
  );
  const inspect = async (tenantId: string, apiKey: string) => {
    const fields = new Map<FieldName, Secret>([["api_key", Secret.fromText(apiKey)]]);
    const verdict = await venues.get("massive")?.inspect({ tenantId, environment: "live", fields });
    return verdict !== undefined && "unsent" in verdict ? "not made" : verdict?.outcome;
  };
  const reasons = () => events.flatMap((event) => (event.kind === "replaced" ? [event.reason] : []));
  return { inspect, reasons, [Symbol.asyncDispose]: () => venues.close() };
}

describe("a call that holds its process", () => {
  test("is ended, and what another tenant has given to that process is done by the next", async () => {
    await using venues = venuesWith();
    expect(await venues.inspect("victim", "key")).toBe("valid");
    const attack = venues.inspect("attacker", `spin-${forever}`);
    const behind = Array.from({ length: 3 }, () => venues.inspect("victim", "key"));
    expect(await Promise.all(behind)).toEqual(["valid", "valid", "valid"]);
    expect(await attack).toBe("not made");
    expect(venues.reasons()).toContain("stalled");
    expect(venue.received).toHaveLength(4);
  });

  test("ends as unknown when it has left, and only then", async () => {
    await using venues = venuesWith();
    expect(await venues.inspect("attacker", `late-spin-${forever}`)).toBe("venue_unavailable");
    expect(await venues.inspect("attacker", `spin-${forever}`)).toBe("not made");
  });

  test("holds up nobody else a second time", async () => {
    await using venues = venuesWith();
    expect(await venues.inspect("attacker", `late-spin-${forever}`)).toBe("venue_unavailable");
    const again = venues.inspect("attacker", `late-spin-${forever}`);
    expect(await venues.inspect("victim", "key")).toBe("valid");
    // The victim was answered while the attacker's own process was still held.
    expect(venues.reasons()).toEqual(["stalled"]);
    expect(await again).toBe("venue_unavailable");
  });

  test("is left until it is overdue where stalled processes are not replaced", async () => {
    await using venues = venuesWith({ timeoutMs: 100 }, { replaceStalled: false, patienceMs: 10_000 });
    expect(await venues.inspect("attacker", `late-spin-${forever}`)).toBe("venue_unavailable");
    expect(venues.reasons()).toEqual(["overdue"]);
  });
});

test("a call that takes the event loop for a moment is no stall", async () => {
  await using venues = venuesWith();
  expect(await venues.inspect("tenant", "spin-300")).toBe("valid");
  expect(venues.reasons()).toEqual([]);
});
