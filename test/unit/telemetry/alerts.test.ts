import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { createMetrics } from "../../../src/telemetry/metrics.ts";

const path = join(import.meta.dirname, "../../../deploy/prometheus/alerts.yaml");
const file = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          for: z.string(),
          labels: z.object({ severity: z.enum(["warning", "critical"]) }),
          annotations: z.object({ summary: z.string(), description: z.string() }),
        }),
      ),
    }),
  ),
});

async function read() {
  const { groups } = file.parse(parse(await readFile(path, "utf8")));
  return groups.flatMap(({ rules }) => rules);
}

/** Names of metrics in an expression that the service does not have. */
function unknownIn(expression: string): readonly string[] {
  const { registry } = createMetrics({
    countCredentials: () => Promise.resolve([]),
    outboxAge: () => Promise.resolve(0),
  });
  const known = new Set(registry.getMetricsAsArray().map(({ name }) => name));
  const named = expression.match(/\bkeyhold_\w+/g) ?? [];
  return named.map((name) => name.replace(/_(bucket|sum|count)$/, "")).filter((name) => !known.has(name));
}

describe("the alerts that are shipped", () => {
  test("rest on metrics that the service has, and the control finds one that it has not", async () => {
    const rules = await read();
    expect(rules.length).toBeGreaterThan(0);
    for (const { alert, expr } of rules) {
      expect(expr, alert).toMatch(/\bkeyhold_/);
      expect(unknownIn(expr), alert).toEqual([]);
    }
    expect(unknownIn("rate(keyhold_job_aeg_seconds[5m]) > 1")).toEqual(["keyhold_job_aeg_seconds"]);
  });

  test("have one for a job that ends no round, whichever process does it", async () => {
    const rule = (await read()).find(({ alert }) => alert === "KeyholdJobDoesNotRun");
    expect(rule?.expr).toBe("min by (job) (keyhold_job_age_seconds) > 300");
  });

  test("have one for refusals that are held back, which names the venue and the reason", async () => {
    const rule = (await read()).find(({ alert }) => alert === "KeyholdRefusalsHeld");
    expect(rule?.expr).toBe("sum by (venue, reason) (increase(keyhold_refusals_held_total[20m])) > 0");
    expect(rule?.annotations.summary).toContain("{{ $labels.reason }}");
  });
});
