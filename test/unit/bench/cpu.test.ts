import { describe, expect, test } from "vitest";
import { cpuUs, descendantCpuUs } from "../../../bench/cpu.ts";

describe.runIf(process.platform === "linux")("processor time", () => {
  test("of this process grows while it works, by no more than the time that passes on all cores", async () => {
    const before = (await cpuUs(process.pid)) ?? 0;
    const told = process.cpuUsage();
    for (let spent = 0; spent < 100_000;) {
      const { user, system } = process.cpuUsage(told);
      spent = user + system;
    }
    const grown = ((await cpuUs(process.pid)) ?? 0) - before;
    const { user, system } = process.cpuUsage(told);

    expect(grown).toBeGreaterThan(50_000);
    expect(grown).toBeLessThan(user + system + 50_000);
  });

  test("of a process that is not there cannot be read", async () => {
    expect(await cpuUs(2 ** 30)).toBeNull();
    expect(await descendantCpuUs(2 ** 30)).toBe(0);
  });
});
