import { expect, test } from "vitest";
import { differing, eventsOf, recoveryOf } from "../../../src/credentials/drift.ts";

type Before = Parameters<typeof eventsOf>[0];

const permissions = {
  read: "yes",
  trade: "no",
  withdraw: "no",
  transfer: "no",
  bound_ips: ["203.0.113.7", "203.0.113.8"],
  unknown_words: [],
} as const;
const before: Before = {
  status: "active",
  health: "healthy",
  refused_since: null,
  permissions: { ...permissions, bound_ips: [...permissions.bound_ips], unknown_words: [] },
  account_facts: { id: "1", status: "ACTIVE" },
  venue_expires_at: null,
};
const names = (changes: Partial<Before>, from: Before = before): readonly string[] =>
  eventsOf(from, { ...from, ...changes, id: "c" }, "bad_key").map(({ event }) => event);

test("a check that finds everything as it was is no event, whatever the order of what the venue tells", () => {
  const bound_ips = [...permissions.bound_ips].toReversed();
  expect(names({ permissions: { ...permissions, bound_ips, unknown_words: [] } })).toEqual([]);
  expect(differing({ a: { x: 1, y: 2 } }, { a: { y: 2, x: 1 } })).toEqual([]);
});

test.each<readonly [string, Partial<Before>, Partial<Before>, readonly string[]]>([
  ["an end", {}, { status: "invalid", health: "unhealthy" }, ["credential.invalidated"]],
  ["an expiry", {}, { status: "expired" }, ["credential.expired"]],
  [
    "a way back",
    { status: "invalid", health: "unhealthy" },
    { status: "active", health: "healthy" },
    ["credential.recovered"],
  ],
  ["a missing permission", {}, { health: "degraded" }, ["credential.degraded"]],
  ["its return", { health: "degraded" }, { health: "healthy" }, ["credential.recovered"]],
  [
    "a refusal of what lacked a permission before",
    { health: "degraded" },
    { health: "degraded", refused_since: new Date() },
    ["credential.degraded"],
  ],
  ["a first refusal", {}, { health: "unhealthy" }, ["credential.degraded"]],
  [
    "a first verdict",
    { status: "pending", health: "unknown", permissions: null, account_facts: {} },
    before,
    [],
  ],
  [
    "a right that was gained",
    {},
    {
      permissions: { ...permissions, trade: "yes", bound_ips: [...permissions.bound_ips], unknown_words: [] },
    },
    ["credential.permissions_changed"],
  ],
  [
    "an address that was taken away",
    {},
    { permissions: { ...permissions, bound_ips: ["203.0.113.7"], unknown_words: [] } },
    ["credential.permissions_changed"],
  ],
  [
    "another account status",
    {},
    { account_facts: { id: "1", status: "CLOSED" } },
    ["credential.account_changed"],
  ],
  ["another date", {}, { venue_expires_at: new Date() }, ["credential.account_changed"]],
])("%s", (_name, from, changes, events) => {
  expect(names(changes, { ...before, ...from })).toEqual(events);
});

test("the event names what has changed", () => {
  const after = {
    ...before,
    id: "c",
    account_facts: { id: "1", status: "CLOSED" },
    venue_expires_at: new Date(),
  };
  expect(eventsOf(before, after, "")).toEqual([
    {
      event: "credential.account_changed",
      detail: { credential_id: "c", changed: ["status", "expires_at"] },
    },
  ]);
});

test("a secret that takes the place of one that ailed is a recovery, and any other is none", () => {
  const healthy = { ...before, id: "c" };
  const recovered = [{ event: "credential.recovered", detail: { credential_id: "c" } }];
  expect(recoveryOf({ ...before, status: "invalid", health: "unhealthy" }, healthy)).toEqual(recovered);
  expect(recoveryOf({ ...before, status: "expired" }, healthy)).toEqual(recovered);
  expect(recoveryOf({ ...before, health: "degraded" }, healthy)).toEqual(recovered);
  expect(recoveryOf(before, healthy)).toEqual([]);
  expect(recoveryOf({ ...before, status: "pending", health: "unknown" }, healthy)).toEqual([]);
  const off = { ...healthy, status: "inactive" } as const;
  expect(recoveryOf({ ...before, status: "inactive", health: "degraded" }, off)).toEqual([]);
});
