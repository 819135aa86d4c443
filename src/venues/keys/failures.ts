import { ZodError } from "zod";
import { explanation, indefinite, type Speaker } from "../outcomes.ts";
import { explain } from "../process/perform.ts";
import { KeyProblem } from "../exchanges/key-issuing.ts";
import type { KeyFailure, KeyRefusalReason } from "../venue-keys.ts";

const sentences: Readonly<Record<KeyRefusalReason, string>> = {
  unsupported: "this key cannot be rotated through its API",
  malformed: "a credential is malformed",
  parent_rejected: "the parent key is refused",
  parent_lacks_permission: "the parent key lacks the right to manage the keys of sub-accounts",
  parent_ip_not_allowed: "the parent key may not be used from this address",
  current_rejected: "the key in force is refused, so its account cannot be found",
  not_a_sub_account: "the key in force is not listed among those of the parent's sub-accounts",
  not_inheritable: "the key in force has what the API gives to no new key",
  limit_reached: "the sub-account has as many keys as it may have",
  refused: "the request was refused",
};

/** What is answered for what was thrown. */
export function failureOf(error: unknown, speaker: Speaker): KeyFailure {
  if (error instanceof KeyProblem) {
    const { problem, said } = error;
    return isRefusal(problem) ? keyRefused(speaker, problem, said) : indefinite(speaker, problem, said);
  }
  // Not the documented shape.
  if (error instanceof ZodError) return indefinite(speaker, "unexpected_answer");
  return explain(error, speaker);
}

export function keyRefused(
  speaker: Speaker,
  reason: KeyRefusalReason,
  said: KeyProblem["said"] = {},
): KeyFailure {
  const isAddress = reason === "parent_ip_not_allowed";
  return { outcome: "refused", reason, message: explanation(speaker, sentences[reason], said, isAddress) };
}

function isRefusal(problem: KeyProblem["problem"]): problem is KeyRefusalReason {
  return Object.hasOwn(sentences, problem);
}
