import type { z } from "zod";
import { throwDenied, throwUnavailable } from "../remote/failure.ts";
import { hasError } from "./client.ts";
import type { VaultAnswer } from "./nodes.ts";

/** What the engine takes is answered with 200; while it is being set up it refuses for a moment. Throws `StoreTrouble`. */
export function parse<T>(schema: z.ZodType<T>, answer: VaultAnswer): T {
  expectDone(answer);
  const parsed = schema.safeParse(answer.body);
  return parsed.success ? parsed.data : throwUnavailable("failing");
}

/** Throws `StoreTrouble` for an answer that is a refusal. */
export function expectDone(answer: VaultAnswer): void {
  if (hasError(answer, /^Upgrading from non-versioned/)) throwUnavailable("failing");
  if (answer.status !== 200 && answer.status !== 204) throwDenied("invalid");
}
