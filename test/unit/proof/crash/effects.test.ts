import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Effects, type Moment, pointsOf } from "../../../../proof/crash/effects.ts";
import { flaws } from "../../../../proof/crash/flaws.ts";
import type { Store } from "../../../../src/stores/store.ts";

const write = { name: "a write", kind: "write" } as const;
const read = { name: "a read", kind: "read" } as const;

/** What was done of two writes by somebody who is killed at the second, and what is done of it when the gate opens. */
async function stopAt(moment: Moment): Promise<readonly (readonly string[])[]> {
  const done: string[] = [];
  const { promise: opened, resolve: open } = Promise.withResolvers<undefined>();
  const effects = new Effects({ at: 2, moment }, { arrive: () => void done.push("arrived"), opened });
  const work = (name: string) => () => Promise.resolve(void done.push(name));
  const run = async (): Promise<void> => {
    await effects.around(write, work("first"));
    await effects.around(write, work("second"));
    done.push("went on");
  };
  void run();
  await nextTurn();
  const before = [...done];
  open(undefined);
  await nextTurn();
  return [before, done];
}

describe("a writer who is to be killed at an effect", () => {
  test("stops before it, after it, or begins it when everybody is there, and never goes on", async () => {
    expect(await stopAt("before")).toEqual([
      ["first", "arrived"],
      ["first", "arrived"],
    ]);
    expect(await stopAt("after")).toEqual([
      ["first", "second", "arrived"],
      ["first", "second", "arrived"],
    ]);
    expect(await stopAt("amid")).toEqual([
      ["first", "arrived"],
      ["first", "arrived", "second"],
    ]);
  });

  test("has points before and after each effect, and amid those that write", () => {
    expect(pointsOf([read, write])).toEqual([
      { at: 1, moment: "before" },
      { at: 1, moment: "after" },
      { at: 2, moment: "before" },
      { at: 2, moment: "amid" },
      { at: 2, moment: "after" },
    ]);
  });
});

/** A store that tells what is asked of it. */
function tellingStore(): Readonly<{ store: Store; told: string[] }> {
  const told: string[] = [];
  const tell = <T>(what: string, answer: T): Promise<T> => {
    told.push(what);
    return Promise.resolve(answer);
  };
  const store: Store = {
    name: "file",
    capabilities: { writes: true },
    put: ({ version }) => tell(`put ${version}`, { outcome: "written" }),
    get: ({ version }) => tell(`get ${version}`, { outcome: "absent" }),
    destroy: ({ version }) => tell(`destroy ${version}`, { outcome: "destroyed" }),
    health: () => tell("health", { outcome: "healthy" }),
  };
  return { store, told };
}

const ref = { tenantId: "t", credentialId: "c", venue: "v", environment: "live", version: 2 };

describe("a build that is wrong on purpose", () => {
  test("writes after it has said that it had, and shows what it did not write", async () => {
    const { store, told } = tellingStore();
    const flawed = flaws["activates-early"](store);
    expect(await flawed.store.put(ref, new Map())).toEqual({ outcome: "written" });
    expect(await flawed.store.get(ref)).toMatchObject({ outcome: "found" });
    expect(told).toEqual([]);
    await flawed.finish();
    expect(told).toEqual(["put 2"]);
  });

  test("destroys the version before, or writes under a number that nobody announced", async () => {
    const [early, unannounced] = [tellingStore(), tellingStore()];
    await flaws["destroys-early"](early.store).store.put(ref, new Map());
    await flaws["writes-unannounced"](unannounced.store).store.put(ref, new Map());
    expect(early.told).toEqual(["destroy 1", "put 2"]);
    expect(unannounced.told).toEqual(["put 1002", "destroy 1002", "put 2"]);
  });
});
