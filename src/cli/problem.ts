import { z } from "zod";
import { type ErrorCode, errors } from "../errors.ts";
import { CliError, hintFor } from "./errors.ts";

/** A problem document (RFC 9457), as far as a person is told of it. */
const problem = z.object({
  code: z.string(),
  title: z.string(),
  detail: z.string(),
  instance: z.string().optional(),
  outcome: z.string().optional(),
});

/** What a refusal of the service means to the person at the command line; `hint` where more is known than its code tells. */
export async function problemOf(response: Response, service: string, hint?: string): Promise<CliError> {
  // 429 and everything from 500 on pass by themselves.
  const failure = response.status === 429 || response.status >= 500 ? "unavailable" : "refused";
  const parsed = problem.safeParse(await response.json().catch(() => undefined));
  if (!parsed.success) {
    return new CliError(failure, `${service} answered ${response.status}, and not as Keyhold does`, {
      hint: hintFor("unsupported_media_type"),
    });
  }
  const { code, title, detail, instance, outcome } = parsed.data;
  return new CliError(failure, `${title.charAt(0).toLowerCase()}${title.slice(1)} (${code})`, {
    code,
    detail: code === "internal" && instance !== undefined ? `${detail} ${instance}` : detail,
    hint: hint ?? (isKnown(code) ? hintFor(code, outcome) : undefined),
  });
}

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(errors, code);
}
