import { describe, expect, test } from "vitest";
import { digestOf, Kept } from "../../../proof/ha/kept.ts";

const tenant = { token: "token", accountId: "account" };
const pairs = ["first", "second", "third"].map((name) => ({ apiKey: name, apiSecret: `secret of ${name}` }));
const [first, second, third] = pairs.map(digestOf);

/** A credential whose secrets were sent in order, and acknowledged up to this number. */
function keptWith(acknowledged: readonly number[]): Kept {
  const kept = new Kept(tenant, "an account");
  for (const pair of pairs) kept.send(pair);
  for (const number of acknowledged) kept.acknowledge(number, number, { id: "id", revision: number + 1 });
  return kept;
}

describe("a read", () => {
  test("of the last secret that was acknowledged is as it must be", () => {
    const kept = keptWith([0, 1]);
    expect(kept.judge(second ?? "", kept.floor)).toBe("ok");
  });

  test("of a secret before it is stale", () => {
    const kept = keptWith([0, 1]);
    expect(kept.judge(first ?? "", kept.floor)).toBe("stale");
  });

  test("that began before the acknowledgement may give the secret before it", () => {
    const kept = keptWith([0]);
    const { floor } = kept;
    kept.acknowledge(1, 1, { id: "id", revision: 2 });
    expect(kept.judge(first ?? "", floor)).toBe("ok");
  });

  test("may give a secret that was sent and not acknowledged; from then on no older one", () => {
    const kept = keptWith([0, 1]);
    expect(kept.judge(third ?? "", kept.floor)).toBe("ok");
    expect(kept.judge(second ?? "", kept.floor)).toBe("stale");
  });

  test("of a secret that nobody sent is foreign", () => {
    const kept = keptWith([0]);
    expect(kept.judge(digestOf({ apiKey: "first", apiSecret: "of somebody else" }), kept.floor)).toBe(
      "foreign",
    );
  });
});

describe("at the end", () => {
  const lost = (kept: Kept, read: string | null): readonly boolean[] =>
    kept.settle(read).map((write) => write.lost);

  test("a write that is read is not lost", () => {
    expect(lost(keptWith([0]), first ?? "")).toEqual([false]);
  });

  test("a write is lost where nothing is read, or an older secret, or one that nobody sent", () => {
    expect(lost(keptWith([0]), null)).toEqual([true]);
    expect(lost(keptWith([1]), first ?? "")).toEqual([true]);
    expect(lost(keptWith([0]), "what nobody sent")).toEqual([true]);
  });

  test("a write whose secret was replaced is lost unless it had come back before", () => {
    const unread = keptWith([0, 1]);
    expect(lost(unread, second ?? "")).toEqual([true, false]);
    const read = keptWith([0]);
    read.judge(first ?? "", read.floor);
    read.acknowledge(1, 1, { id: "id", revision: 2 });
    expect(lost(read, second ?? "")).toEqual([false, false]);
  });

  test("a secret that the venue accepted from the service was kept", () => {
    const kept = keptWith([0]);
    kept.proveUsed();
    kept.acknowledge(1, 1, { id: "id", revision: 2 });
    expect(lost(kept, second ?? "")).toEqual([false, false]);
  });
});
