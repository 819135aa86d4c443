import { DatabaseError } from "pg";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { errors, KeyholdError } from "../../../src/errors.ts";
import { describeIssues, describeProblem, publicError } from "../../../src/http/problems.ts";

const canary = "canary-93ee";

describe("a problem document", () => {
  it("has the members of RFC 9457, a stable code, and the facts of the error", () => {
    const error = new KeyholdError("venue_ip", "The venue does not allow this address.", {
      facts: { addresses: ["203.0.113.7"] },
    });

    expect(describeProblem(error, "0d3ff7c4-4b7a-4d8e-9a55-2f1f6f0f3c11")).toEqual({
      type: "/problems/venue_ip",
      title: errors.venue_ip.title,
      status: 422,
      code: "venue_ip",
      detail: "The venue does not allow this address.",
      instance: "urn:uuid:0d3ff7c4-4b7a-4d8e-9a55-2f1f6f0f3c11",
      addresses: ["203.0.113.7"],
    });
  });

  it("lets no fact take the place of a member of the standard", () => {
    const error = new KeyholdError("illegal_state", "It is revoked.", {
      facts: { status: "revoked", type: "x" },
    });

    expect(describeProblem(error, "1")).toMatchObject({ status: 409, type: "/problems/illegal_state" });
  });
});

describe("what a caller is told", () => {
  it("of our own faults is nothing but that they are ours", () => {
    const told = publicError(new TypeError(`cannot read ${canary}`));

    expect(told.code).toBe("internal");
    expect(JSON.stringify(describeProblem(told, "1"))).not.toContain(canary);
  });

  it.each(["08006", "53300", "57P01"])("of a database that is away (%s) is to try again", (code) => {
    const error = new DatabaseError(canary, 1, "error");
    error.code = code;

    expect(publicError(error)).toMatchObject({ code: "not_ready" });
  });

  it.each([
    "ECONNREFUSED",
    "ETIMEDOUT",
    "EHOSTUNREACH",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNABORTED",
    "25006",
    "57014",
  ])("of a database that cannot be reached (%s) is to try again", (code) => {
    expect(publicError(Object.assign(new Error(canary), { code }))).toMatchObject({ code: "not_ready" });
  });

  it.each([
    "Connection terminated",
    "Connection terminated due to connection timeout",
    "Client was closed and is not queryable",
    "Query read timeout",
    "Cannot use a pool after calling end on the pool",
    "timeout expired",
    "Received unexpected commandComplete message from backend.",
  ])("of a database whose driver has no code for it is to try again: %s", (message) => {
    expect(publicError(new Error(message))).toMatchObject({ code: "not_ready", status: 503 });
  });

  it.each(["42P01", "23505", "ERR_ASSERTION"])(
    "of our own mistakes with the database (%s) is that they are ours",
    (code) => {
      expect(publicError(Object.assign(new Error(canary), { code }))).toMatchObject({ code: "internal" });
      expect(publicError(new Error("Query values must be an array"))).toMatchObject({ code: "internal" });
    },
  );

  it.each([400, 403, 404, 405, 411, 412, 414, 416, 418, 421, 431, 451])(
    "of a refusal of the framework keeps its status %i",
    (statusCode) => {
      for (const more of [{ code: "FST_SOME_PLUGIN" }, { expose: true }]) {
        const told = publicError(Object.assign(new Error(canary), { statusCode }, more));
        expect(told.status).toBe(statusCode);
        const problem = describeProblem(told, "1");
        expect(problem.status).toBe(statusCode);
        expect(JSON.stringify(problem)).not.toContain(canary);
      }
    },
  );

  it.each([
    ["a fault of the framework", { code: "FST_ERR_SEND_INSIDE_ONERR", statusCode: 500 }],
    ["an answer of a server that we asked", { code: "UND_ERR_RESPONSE", statusCode: 404 }],
  ])("of %s is that it is ours", (_, facts) => {
    expect(publicError(Object.assign(new Error(canary), facts))).toMatchObject({
      code: "internal",
      status: 500,
    });
  });

  it("of any other fault of the database is that it is ours", () => {
    const error = new DatabaseError(canary, 1, "error");
    error.code = "23505";

    expect(publicError(error)).toMatchObject({ code: "internal" });
  });
});

describe("a request that does not fit", () => {
  const input = z.object({
    params: z.strictObject({ id: z.uuid() }),
    body: z.strictObject({
      name: z.string().max(5),
      kind: z.enum(["a", "b"]),
      tags: z.array(z.int()).optional(),
    }),
  });

  function told(raw: object): string {
    const parsed = input.safeParse(raw);
    if (parsed.success) throw new Error("it fits");
    return JSON.stringify(describeProblem(describeIssues(parsed.error.issues), "1"));
  }

  it("is told where, and what was expected", () => {
    const text = told({ params: { id: "x" }, body: { name: 7, kind: "c", tags: ["1"] } });

    expect(text).toContain("path.id: ");
    expect(text).toContain("body.name: expected string, received number");
    expect(text).toContain("body.tags.0: ");
  });

  it("is told nothing that it said itself", () => {
    expect(
      told({ params: { id: canary }, body: { name: canary, kind: canary, [canary]: canary } }),
    ).not.toContain(canary);
  });
});
