import { describe, expect, test } from "vitest";
import { formatSection, type Section, toJson } from "../../../bench/figures.ts";

const section: Section = {
  title: "Retrieval",
  figures: [
    { name: "reveal_p99_ms", text: "reveal, P99", value: 2.345_678 },
    { name: "reveal_per_s", text: "reveal", value: 31_234.56 },
    { name: "idle_service_bytes", text: "idle", value: 104_857_600 },
    { name: "idle_postgres_bytes", text: "its PostgreSQL", value: null },
    { name: "reveal_errors_count", text: "errors", value: 0 },
  ],
};

describe("figures", () => {
  test("are printed with their units, and what could not be read says so", () => {
    expect(formatSection(section).split("\n")).toEqual([
      "Retrieval",
      "  reveal, P99            2.35 ms",
      "  reveal               31,235 /s",
      "  idle                   100 MiB",
      "  its PostgreSQL    not readable",
      "  errors                       0",
      "",
    ]);
  });

  test("are one JSON object under names that end with the unit", () => {
    expect(toJson([section])).toEqual({
      reveal_p99_ms: 2.35,
      reveal_per_s: 31_235,
      idle_service_bytes: 104_857_600,
      idle_postgres_bytes: null,
      reveal_errors_count: 0,
    });
  });
});
