import { describe, expect, it } from "vitest";
import { z } from "zod";
import { json, secretBytes } from "../../../src/http/answer.ts";

const schema = z.object({
  id: z.string(),
  revision: z.int().optional(),
  inner: z.object({ shown: z.boolean() }).optional(),
});

describe("an answer", () => {
  it("holds what its schema declares, and nothing else that the domain may have handed over", () => {
    const row = { id: "1", api_secret: "x", inner: { shown: true, api_secret: "x" } };

    expect(json(200, "", schema).encode(row).payload).toBe('{"id":"1","inner":{"shown":true}}');
  });

  it("is not given at all when it is not what was declared", () => {
    const wrong: unknown = { id: 7 };
    const answer = json(
      200,
      "",
      z.custom<{ id: string }>((value) => schema.safeParse(value).success),
    );

    expect(() => answer.encode(Object.assign({ id: "" }, wrong))).toThrow(z.ZodError);
  });

  it("has the revision of what it shows as its ETag, and says where a new thing is", () => {
    const made = json(201, "", schema, { location: ({ id }) => `/things/${id}` }).encode({
      id: "1",
      revision: 3,
    });

    expect(made.headers).toMatchObject({ etag: '"3"', location: "/things/1" });
  });

  it("may be kept without what is shown only once", () => {
    const answer = json(200, "", schema, { keep: (whole) => ({ ...whole, id: "hidden" }) });
    const made = { id: "shown", api_secret: "x" };

    expect(answer.encode(made).payload).toBe('{"id":"shown"}');
    expect(answer.keep(made)).toEqual({ status: 200, body: { id: "hidden" } });
  });

  it("of plaintext is never kept, nor cached on the way", () => {
    const answer = secretBytes("", schema);

    expect(answer).not.toHaveProperty("keep");
    expect(answer.encode(Buffer.from("{}")).headers["cache-control"]).toBe("no-store");
  });
});
