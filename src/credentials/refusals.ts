import type { Refusal } from "../audit/disclosures.ts";
import { type ErrorCode, KeyholdError } from "../errors.ts";

/** What a caller is told when the record refuses to open a secret. */
const told: Readonly<Record<Refusal, readonly [ErrorCode, string]>> = {
  tenant_inactive: ["forbidden", "The tenant is suspended."],
  member_inactive: ["forbidden", "Your membership is suspended."],
  principal_changed: ["unauthenticated", "Your role has changed. Send the request again."],
  api_key_inactive: ["unauthenticated", "The API key is revoked or has expired."],
  narrowed: [
    "forbidden",
    "Your token or API key is narrowed, and does not reach this credential from where you are.",
  ],
  absent: ["not_found", "There is no such credential."],
  forbidden: ["forbidden", "The credential belongs to another member."],
  revoked: ["illegal_state", "The credential is revoked and its secret destroyed. Register a new one."],
  frozen: ["frozen", "The credential, its account or its tenant is frozen. Unfreeze it first."],
  inactive: ["credential_inactive", "The credential or its account is switched off. Activate it first."],
  changed: ["stale", "The credential has changed meanwhile. Send the request again."],
  expired: ["illegal_state", "The credential has expired. Replace its secret."],
  pending: ["illegal_state", "The venue has not confirmed the credential yet. Validate it first."],
  invalid: [
    "illegal_state",
    "The venue refused the credential. If its key is in force at the venue, validate it; else replace its secret.",
  ],
  policy_forbids: [
    "policy_forbids",
    "The credential's policy does not allow this. Its owner can change the policy.",
  ],
};

/** The error for a refusal of the record; a frozen, expired or inactive credential each has its own. */
export function refused(refusal: Refusal): KeyholdError {
  const [code, detail] = told[refusal];
  return new KeyholdError(code, detail, { facts: { reason: refusal }, isRecorded: true });
}
