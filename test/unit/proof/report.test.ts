import { describe, expect, test } from "vitest";
import { type Report, succeeded } from "../../../proof/proof.ts";
import { formatReport, toJson } from "../../../proof/report.ts";
import { describeMachine } from "../../../testkit/machine.ts";

const machine = describeMachine();
const good: Report = {
  title: "What is proven",
  facts: ["with this"],
  tables: ["A  TABLE"],
  promises: [{ text: "writes lost", tried: 1200, broken: 0 }],
  controls: [{ build: "forgets", promise: { text: "writes lost", tried: 30, broken: 7 } }],
  data: { rows: [1, 2] },
};
const bad: Report = { ...good, promises: [{ text: "writes lost", tried: 1200, broken: 2 }] };
const blind: Report = {
  ...good,
  controls: [{ build: "forgets", promise: { text: "writes lost", tried: 30, broken: 0 } }],
};

describe("the report", () => {
  test("says what was promised, how often it was tried, and that the control failed", () => {
    const text = formatReport(good, machine);
    expect(text).toMatch(/kept +0 of 1,200 {2}writes lost/);
    expect(text).toContain("control: failed as it must: 7 of 30 writes lost (a service that forgets)");
    expect(text).toMatch(/\nproven\n$/);
    expect(text).toContain(machine.cpu);
  });

  test("says what is broken, and which control found nothing", () => {
    expect(formatReport(bad, machine)).toMatch(/BROKEN +2 of 1,200 {2}writes lost[^]*\nNOT proven\n$/);
    expect(formatReport(blind, machine)).toMatch(
      /control: NOTHING FOUND: 0 of 30 writes lost[^]*\nNOT proven\n$/,
    );
  });

  test("succeeds only where every promise held and every control failed", () => {
    expect([good, bad, blind].map(succeeded)).toEqual([true, false, false]);
  });

  test("tells programs the same", () => {
    expect(JSON.parse(toJson(bad, machine))).toMatchObject({
      proven: false,
      promises: [{ broken: 2, tried: 1200 }],
      controls: [{ promise: { broken: 7 } }],
      rows: [1, 2],
    });
  });
});
