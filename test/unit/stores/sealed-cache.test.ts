import { randomUUID } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import {
  denied,
  deniedReasons,
  type DeniedReason,
  type UnavailableReason,
  unavailable,
  unavailableReasons,
} from "../../../src/remote/failure.ts";
import { type LookUp, sealedCache, type SealedCacheOptions } from "../../../src/stores/sealed-cache.ts";
import { type GetResult, type SealedFields, type SecretRef, type Store } from "../../../src/stores/store.ts";
import { sealedFields } from "../../contracts/store-contract.ts";

const minute = 60_000;

let now: number;
let lookUps: LookUp[];
/** What the store behind the cache answers, and how often it was asked. */
let answer: (ref: SecretRef) => GetResult | Promise<GetResult>;
let reads: number;
let fields: SealedFields;
let ref: SecretRef;

beforeEach(() => {
  now = 1_000_000;
  lookUps = [];
  reads = 0;
  ref = newRef();
  fields = sealedFields(ref);
  answer = () => ({ outcome: "found", fields });
});

function newRef(tenantId: string = randomUUID()): SecretRef {
  return { tenantId, credentialId: randomUUID(), venue: "bybit", environment: "live", version: 1 };
}

const behind: Store = {
  name: "vault",
  capabilities: { writes: true },
  put: async () => ({ outcome: "written" }),
  get: async (asked) => {
    reads += 1;
    return answer(asked);
  },
  destroy: async () => ({ outcome: "destroyed" }),
  health: async () => ({ outcome: "healthy" }),
};

function open(options: SealedCacheOptions = {}): Store {
  return sealedCache(behind, { now: () => now, onLookUp: (lookUp) => lookUps.push(lookUp), ...options });
}

/** The states of a copy when the store begins to fail. */
const states = {
  "no copy": null,
  "a fresh copy": 4 * minute,
  "a copy within the hour": 59 * minute,
  "an older copy": 60 * minute,
} as const;

const isUnavailable = (reason: string): reason is UnavailableReason => reason in unavailableReasons;
const isDenied = (reason: string): reason is DeniedReason => reason in deniedReasons;

const failures: readonly (readonly [string, GetResult])[] = [
  ...Object.keys(unavailableReasons)
    .filter(isUnavailable)
    .map((reason) => [`unavailable: ${reason}`, unavailable(reason)] as const),
  ...Object.keys(deniedReasons)
    .filter(isDenied)
    .map((reason) => [`denied: ${reason}`, denied(reason)] as const),
  ["absent", { outcome: "absent" }],
];

describe.each(Object.entries(states))("with %s", (state, age) => {
  test.each(failures)("a store that is %s", async (_name, failure) => {
    const store = open();
    if (age !== null) {
      await store.get(ref);
      now += age;
    }
    answer = () => failure;
    const served = await store.get(ref);
    const serves =
      state === "a fresh copy" || (state === "a copy within the hour" && failure.outcome === "unavailable");
    expect(served).toEqual(serves ? { outcome: "found", fields } : failure);
  });
});

test("there are at least twelve failures, of every kind", () => {
  expect(failures.length).toBeGreaterThanOrEqual(12);
  expect(new Set(failures.map(([, { outcome }]) => outcome))).toEqual(
    new Set(["unavailable", "denied", "absent"]),
  );
});

test("a secret is read once in five minutes, byte for byte the same", async () => {
  const store = open();
  for (const after of [0, minute, 3 * minute]) {
    now += after;
    expect(await store.get(ref)).toEqual({ outcome: "found", fields });
  }
  expect(reads).toBe(1);
  now += minute;
  await store.get(ref);
  expect(reads).toBe(2);
  expect(lookUps).toEqual(["store", "fresh", "fresh", "store"]);
});

test("the hour runs from the last good read, and a store that comes back starts it anew", async () => {
  const store = open();
  await store.get(ref);
  now += 50 * minute;
  await store.get(ref);
  answer = () => unavailable("timeout");
  now += 59 * minute;
  expect((await store.get(ref)).outcome).toBe("found");
  now += minute;
  expect(await store.get(ref)).toEqual(unavailable("timeout"));
  expect(lookUps).toEqual(["store", "store", "grace", "store"]);
});

test.each([{ outcome: "absent" } as const, denied("policy"), denied("foreign")])(
  "after %j the copy is gone, also for an outage that follows",
  async (refusal) => {
    const store = open();
    await store.get(ref);
    now += 10 * minute;
    answer = () => refusal;
    expect(await store.get(ref)).toEqual(refusal);
    answer = () => unavailable("sealed");
    expect(await store.get(ref)).toEqual(unavailable("sealed"));
  },
);

test("the hour can end while the store is being waited for", async () => {
  const store = open();
  await store.get(ref);
  now += 59 * minute;
  answer = () => {
    now += 2 * minute;
    return unavailable("timeout");
  };
  expect(await store.get(ref)).toEqual(unavailable("timeout"));
});

test("a hundred who ask at once share one read", async () => {
  const store = open();
  const answers = await Promise.all(Array.from({ length: 100 }, () => store.get(ref)));
  expect(new Set(answers.map(({ outcome }) => outcome))).toEqual(new Set(["found"]));
  expect(reads).toBe(1);
});

test("a mistake of ours is not kept", async () => {
  const store = open();
  answer = () => {
    throw new TypeError("a mistake");
  };
  await expect(store.get(ref)).rejects.toThrow(TypeError);
  answer = () => ({ outcome: "found", fields });
  expect((await store.get(ref)).outcome).toBe("found");
});

test("what is destroyed is forgotten, and so is a read that was under way", async () => {
  const store = open();
  const gate = Promise.withResolvers<GetResult>();
  answer = () => gate.promise;
  const reading = store.get(ref);
  await store.destroy(ref);
  gate.resolve({ outcome: "found", fields });
  expect((await reading).outcome).toBe("found");
  answer = () => unavailable("timeout");
  expect(await store.get(ref)).toEqual(unavailable("timeout"));

  answer = () => ({ outcome: "found", fields });
  await store.get(ref);
  await store.destroy(ref);
  answer = () => ({ outcome: "absent" });
  expect(await store.get(ref)).toEqual({ outcome: "absent" });
});

test("copies are kept apart by tenant, credential, version and place", async () => {
  const store = open();
  await store.get(ref);
  answer = () => ({ outcome: "absent" });
  const others = [
    { ...ref, tenantId: randomUUID() },
    { ...ref, credentialId: randomUUID() },
    { ...ref, version: 2 },
    { ...ref, environment: "paper" },
    { ...ref, venue: "okx" },
  ];
  for (const other of others) expect(await store.get(other)).toEqual({ outcome: "absent" });
  expect((await store.get(ref)).outcome).toBe("found");
});

describe("bounds", () => {
  const bytes = 1024 * 1024;
  const read = async (store: Store, refs: readonly SecretRef[]): Promise<number> => {
    const before = reads;
    for (const each of refs) await store.get(each);
    return reads - before;
  };
  const many = (count: number, tenantId: string): SecretRef[] =>
    Array.from({ length: count }, () => newRef(tenantId));

  test("a tenant that takes too much loses its own copies, and nobody else's", async () => {
    const store = open({ bytes, bytesPerTenant: bytes / 16 });
    const quiet = many(10, randomUUID());
    const noisy = many(2000, randomUUID());
    await read(store, quiet);
    await read(store, noisy);
    expect(await read(store, quiet)).toBe(0);
    expect(await read(store, noisy.slice(-10))).toBe(0);
    expect(await read(store, noisy.slice(0, 10))).toBe(10);
  });

  test("all together stay within the bound, and the least recently used go first", async () => {
    const store = open({ bytes, bytesPerTenant: bytes / 16 });
    const tenants = Array.from({ length: 60 }, () => many(40, randomUUID()));
    const [first = []] = tenants;
    for (const refs of tenants) {
      await read(store, refs);
      await read(store, first);
    }
    expect(await read(store, first)).toBe(0);
    expect(await read(store, tenants.at(-1) ?? [])).toBe(0);
    expect(await read(store, tenants[1] ?? [])).toBe(40);
  });

  test("a secret that is larger than the bound is read each time", async () => {
    const store = open({ bytes: 256 });
    expect(await read(store, [ref, ref])).toBe(2);
  });
});
