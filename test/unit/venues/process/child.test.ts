import { readdirSync, readFileSync } from "node:fs";
import { constants, getPriority } from "node:os";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Secret } from "../../../../src/crypto/secret.ts";
import { Child, ProcessLost } from "../../../../src/venues/process/child.ts";
import { venueSettings } from "../../../../src/venues/settings.ts";
import type { FieldName } from "../../../../src/venues/venue.ts";
import { Loopback } from "../loopback.ts";

let venue: Loopback;

beforeAll(async () => {
  venue = await Loopback.start();
});

afterAll(() => venue[Symbol.asyncDispose]());

const job = { venue: "massive", environment: "live", verb: "inspect" } as const;
const fields = () => new Map<FieldName, Secret>([["api_key", Secret.fromText("canary-key-81e0")]]);
const order = { tenantId: "tenant", before: Infinity };
const start = () => new Child(venueSettings({ hosts: { massive: venue.url } }));

describe("a venue process", () => {
  test("asks the venue and answers, with any number of calls under way", async () => {
    venue.sayJson({ market: "open", serverTime: "2026-11-20T12:00:00-05:00" });
    const child = start();
    const answers = await Promise.all(Array.from({ length: 20 }, () => child.call(order, job, [fields()])));
    expect(answers.map(({ outcome }) => outcome)).toEqual(Array(20).fill("valid"));
    expect(venue.received.at(-1)?.headers.authorization).toBe("Bearer canary-key-81e0");
    expect(child).toMatchObject({ busy: 0, calls: 20, lost: false });
    expect(child.memory).toBeGreaterThan(0);
    await child.stop();
  });

  test("that ends during a call loses it, and takes no other", async () => {
    venue.reply(() => {});
    const child = start();
    const call = child.call(order, job, [fields()]);
    const outcome = expect(call).rejects.toThrow(ProcessLost);
    await expect.poll(() => venue.received.length, { timeout: 10_000 }).toBeGreaterThan(20);
    await child.stop();
    await outcome;
    await expect(child.call(order, job, [fields()])).rejects.toThrow(ProcessLost);
    expect(child).toMatchObject({ busy: 0, lost: true });
  });

  test("that ends before it is ready loses what was waiting for it", async () => {
    const child = start();
    const call = expect(child.call(order, job, [fields()])).rejects.toThrow(ProcessLost);
    await child.stop();
    await call;
  });

  test("is given no call that comes too late", async () => {
    const child = start();
    const late = { ...order, before: performance.now() - 1 };
    await expect(child.call(late, job, [fields()])).rejects.toMatchObject({ stage: "given" });
    await child.stop();
  });

  test.runIf(process.platform === "linux")("gives way to other processes when it is asked to", async () => {
    const before = childrenOf(process.pid);
    const child = start();
    const [pid = 0] = childrenOf(process.pid).filter((other) => !before.includes(other));
    expect(getPriority(pid), "the control").toBe(getPriority());
    child.giveWay();
    expect(getPriority(pid)).toBe(constants.priority.PRIORITY_BELOW_NORMAL);
    await child.stop();
    child.giveWay();
  });

  test("can be ended twice", async () => {
    const child = start();
    await child.stop();
    await child.stop();
    expect(child.lost).toBe(true);
  });
});

/** The parent is the second field behind the name of the program (proc_pid_stat(5)). */
function childrenOf(parent: number): readonly number[] {
  const isChild = (pid: string): boolean => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1] === String(parent);
    } catch {
      return false;
    }
  };
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isChild(name))
    .map(Number);
}
