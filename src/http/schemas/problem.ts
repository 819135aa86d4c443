import { z } from "zod";
import { type ErrorCode, errors } from "../../errors.ts";

const codes = Object.keys(errors);

/** What every refusal looks like (RFC 9457); further members tell facts of the error. */
export const problemSchema = z.looseObject({
  type: z.string().meta({ description: "Stable for each code" }),
  title: z.string(),
  status: z.int(),
  code: z.enum(codes),
  detail: z.string().meta({ description: "What happened, and what to do about it" }),
  instance: z.string().meta({ description: "Names the request: tell it to the operator" }),
  errors: z
    .array(z.string())
    .optional()
    .meta({ description: "For a request that does not fit: where, and what was expected" }),
});

/** A problem of each code. */
export function exampleOf(code: ErrorCode): z.output<typeof problemSchema> {
  const { status, title } = errors[code];
  const instance = "urn:uuid:0d3ff7c4-4b7a-4d8e-9a55-2f1f6f0f3c11";
  return { type: `/problems/${code}`, title, status, code, detail: `${title}.`, instance };
}

export const problemExample = {
  type: "/problems/not_found",
  title: errors.not_found.title,
  status: 404,
  code: "not_found" satisfies ErrorCode,
  detail: "There is no such credential.",
  instance: "urn:uuid:0d3ff7c4-4b7a-4d8e-9a55-2f1f6f0f3c11",
};
