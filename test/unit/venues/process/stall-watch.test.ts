import { describe, expect, test } from "vitest";
import { processorTimeOf, StallWatch } from "../../../../src/venues/process/stall-watch.ts";

/** Uses processor time of this process. */
function work(ms: number): void {
  const before = process.cpuUsage();
  const used = () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
  while (used() < ms);
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** This process, as another one watches it, in its usual state. */
function watchOfThis(): StallWatch {
  const watch = new StallWatch(process.pid);
  watch.enter("usual");
  watch.heard(cpuMs());
  return watch;
}

/** How many turns of a quarter of a second pass until a stall is seen, up to `most`. */
function turnsUntilStalled(watch: StallWatch, most: number): number {
  for (let turn = 1; turn <= most; turn += 1) if (watch.isStalled(250)) return turn;
  return Infinity;
}

describe("a venue process", () => {
  test.runIf(process.platform === "linux")("is stalled when it has worked for a second in silence", () => {
    const watch = watchOfThis();
    work(1100);
    expect(turnsUntilStalled(watch, 19)).toBe(4);
  });

  test("that could not work is not taken for stalled before five seconds", () => {
    expect(turnsUntilStalled(watchOfThis(), 100)).toBe(20);
  });

  test("whose processor time is not known is judged by five seconds alone", () => {
    const watch = new StallWatch(undefined);
    watch.enter("usual");
    expect(turnsUntilStalled(watch, 100)).toBe(20);
  });

  test("is not stalled while it gives signs of life, however much it works", () => {
    const watch = watchOfThis();
    for (let beat = 0; beat < 8; beat += 1) {
      work(150);
      expect(watch.isStalled(250)).toBe(false);
      watch.heard(cpuMs());
    }
  });

  test("may take longer to start and to parse a market list, but not for ever", () => {
    const starting = new StallWatch(process.pid);
    expect(turnsUntilStalled(starting, 1000)).toBe(120);
    const loading = watchOfThis();
    loading.enter("loading");
    work(1100);
    expect(turnsUntilStalled(loading, 1000)).toBe(60);
  });

  test("is quiet after half a second, and then no longer", () => {
    const watch = watchOfThis();
    expect(watch.isQuiet).toBe(false);
    watch.isStalled(500);
    expect(watch.isQuiet).toBe(true);
    watch.heard();
    expect(watch.isQuiet).toBe(false);
  });
});

test("a watch that stood still itself blames no process for it", () => {
  const watch = watchOfThis();
  work(1100);
  expect(watch.isStalled(3_600_000)).toBe(false);
  watch.heard(cpuMs());
  expect(watch.isStalled(3_600_000)).toBe(false);
});

test.runIf(process.platform === "linux")("the processor time of a process is read from outside", () => {
  const seen = processorTimeOf(process.pid) ?? 0;
  expect(Math.abs(seen - cpuMs())).toBeLessThan(500);
  expect(processorTimeOf(0x7fff_fffe)).toBeUndefined();
});
