import { describe, expect, it } from "vitest";
import { etagOf, revisionOf } from "../../../src/http/schemas.ts";

describe("If-Match", () => {
  it("names the revision that the ETag told", () => {
    expect(revisionOf(etagOf(7))).toBe(7);
  });

  it.each([undefined, "*"])("must say which revision was seen: %s does not", (header) => {
    expect(() => revisionOf(header)).toThrow(expect.objectContaining({ code: "precondition_required" }));
  });

  it.each(["7", 'W/"7"', '"7", "8"', '"abc"', '""', '"-1"', `"${"9".repeat(16)}"`])(
    "that is no ETag of ours matches nothing: %s",
    (header) => {
      expect(() => revisionOf(header)).toThrow(expect.objectContaining({ code: "stale" }));
    },
  );
});
