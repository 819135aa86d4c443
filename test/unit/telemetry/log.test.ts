import { Writable } from "node:stream";
import { DatabaseError } from "pg";
import { describe, expect, it } from "vitest";
import { KeyholdError } from "../../../src/errors.ts";
import { createLog } from "../../../src/telemetry/log.ts";

const canary = "canary-2c91f0";

function lines(write: (log: ReturnType<typeof createLog>) => void): string {
  let written = "";
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      written += chunk.toString();
      done();
    },
  });
  write(createLog("debug", sink));
  return written;
}

function logged(fields: object): Record<string, unknown> {
  const parsed: unknown = JSON.parse(lines((log) => log.info("tested", fields)));
  return Object.assign({}, parsed);
}

/** Errors as drivers, parsers and clients throw them: each quotes the value that it was given. */
function leakingErrors(): readonly Error[] {
  const database = new DatabaseError(`invalid input syntax for type uuid: "${canary}"`, 1, "error");
  database.code = "22P02";
  database.detail = `Key (label)=(${canary}) already exists.`;
  const parsing = caught(() => JSON.parse(canary));
  const url = caught(() => new URL(canary));
  const withCause = new KeyholdError("internal", "It failed.", {
    cause: Object.assign(new Error(canary), { body: canary }),
  });
  const manyLines = new Error(`first\n    at ${canary}\nsecond`);
  const named = Object.assign(new Error("x"), { name: `${canary} <>`, code: `${canary}!`, params: [canary] });
  return [database, parsing, url, withCause, manyLines, named];
}

function caught(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("nothing was thrown");
}

describe("a log line", () => {
  it("tells message, time, level and the fields that are known", () => {
    expect(logged({ route: "/api/v1/credentials", status: 201, tenant_id: null })).toEqual({
      level: "info",
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      message: "tested",
      route: "/api/v1/credentials",
      status: 201,
      tenant_id: null,
    });
  });

  it("drops every field that is not known, and values that are not plain", () => {
    const fields: object = {
      body: canary,
      headers: { authorization: canary },
      url: `/?token=${canary}`,
      route: { x: canary },
    };

    expect(lines((log) => log.error("tested", fields))).not.toContain(canary);
  });

  it("holds no value from an error, its cause, or a database's detail", () => {
    for (const error of leakingErrors()) {
      const line = lines((log) => log.error("tested", { error }));

      expect(line).toContain('"type"');
      expect(line).not.toContain(canary);
    }
  });

  it("would show the values if it were not for the reduction", () => {
    const unreduced = leakingErrors().map(
      (error) => `${error.name} ${error.stack} ${JSON.stringify(error)} ${String(error.cause)}`,
    );

    for (const text of unreduced) expect(text).toContain(canary);
  });

  it("keeps what helps to find an error: type, code, our own words, and where", () => {
    const { error } = logged({
      error: new KeyholdError("venue_ip", "The venue does not allow this address."),
    });

    expect(error).toEqual({
      type: "KeyholdError",
      code: "venue_ip",
      message: "venue_ip: The venue does not allow this address.",
      stack: expect.stringContaining("log.test.ts"),
    });
  });

  it("keeps a database's code and constraint", () => {
    const database = new DatabaseError("x", 1, "error");
    database.code = "23505";
    database.constraint = "credentials_one_per_label";

    expect(logged({ error: database })["error"]).toMatchObject({
      database: { code: "23505", constraint: "credentials_one_per_label" },
    });
  });
});
