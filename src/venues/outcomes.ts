import type { KeyFailure, KeyRefusalReason } from "./venue-keys.ts";
import type { Ambiguous, Cause, Indefinite, Limited, Rejected, Unproven } from "./verdict.ts";

/** What an answer of a venue means, one word for every outcome but `valid`. */
export type Meaning = Rejected["reason"] | Ambiguous["outcome"] | Limited["outcome"] | Indefinite["outcome"];

/** What the venue said, for the message. */
export type Said = Readonly<{
  code?: string;
  text?: string;
  /** What Keyhold knows about a code that is not plain. */
  hint?: string;
  /** What an ambiguous refusal may be about; anything when it is not given. */
  causes?: readonly Cause[];
}>;

/**
 * Who is talking: the venue's name, the addresses it sees, and the venues to which a key may belong that it
 * does not know.
 */
export type Speaker = Readonly<{
  name: string;
  addresses: readonly string[];
  sisters?: readonly string[];
}>;

const sentences: Readonly<Record<Meaning, string>> = {
  bad_key: "the API key is invalid or unauthorized",
  bad_signature: "the signature is invalid: the secret does not belong to this API key",
  bad_passphrase: "the passphrase is invalid",
  expired: "the API key has expired",
  revoked: "the API key was revoked",
  wrong_environment: "the API key is unauthorized here: it belongs to another environment",
  malformed: "the credential is malformed",
  ambiguous: "the request is unauthorized, and the venue does not say why",
  insufficient_permission: "the API key lacks a permission",
  ip_not_allowed: "the API key may not be used from this address",
  clock_skew: "the time of the request was refused; check the clock of this machine",
  nonce: "the nonce was refused; another program uses the API key",
  rate_limited: "too many requests",
  venue_unavailable: "the venue is not available",
  timeout: "the venue did not answer in time",
  blocked: "the venue blocks requests from this address or region",
  unexpected_answer: "the venue gave an answer that Keyhold does not understand",
};

/** The refusal that a meaning stands for, with a message a person can act on. */
export function refusal(
  speaker: Speaker,
  meaning: Meaning,
  said: Said = {},
): Rejected | Ambiguous | Limited | Indefinite {
  const message = sentence(speaker, meaning, said);
  if (isRejection(meaning)) return { outcome: "rejected", reason: meaning, message };
  if (meaning === "ambiguous") return { outcome: meaning, causes: said.causes ?? anyCause, message };
  return { outcome: meaning, message };
}

/** The refusal of a nonce by a venue that has seen larger ones than any clock counts. */
export function nonceSpent(speaker: Speaker): Indefinite {
  const hint =
    "It has seen larger nonces than any clock counts. Make an API key at the venue that Keyhold alone uses.";
  return indefinite(speaker, "nonce", { hint });
}

export function indefinite(speaker: Speaker, outcome: Indefinite["outcome"], said: Said = {}): Indefinite {
  return { outcome, message: sentence(speaker, outcome, said) };
}

const keySentences: Readonly<Record<KeyRefusalReason, string>> = {
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

/** Why no key was created or deleted. */
export function keyFailure(
  speaker: Speaker,
  problem: KeyRefusalReason | Indefinite["outcome"],
  said: Said = {},
): KeyFailure {
  if (!isKeyRefusal(problem)) return indefinite(speaker, problem, said);
  const isAddress = problem === "parent_ip_not_allowed";
  const message = explanation(speaker, keySentences[problem], said, isAddress);
  return { outcome: "refused", reason: problem, message };
}

function isKeyRefusal(problem: KeyRefusalReason | Indefinite["outcome"]): problem is KeyRefusalReason {
  return Object.hasOwn(keySentences, problem);
}

/** That nothing proves a key here, and why. */
export function unproven({ name }: Speaker, why: string): Unproven {
  return { outcome: "unproven", message: `${name}: nothing proves the key. ${why}` };
}

const rejections: readonly string[] = [
  "bad_key",
  "bad_signature",
  "bad_passphrase",
  "expired",
  "revoked",
  "wrong_environment",
  "malformed",
] satisfies readonly Rejected["reason"][];

function isRejection(meaning: Meaning): meaning is Rejected["reason"] {
  return rejections.includes(meaning);
}

const anyCause: readonly Cause[] = ["key", "secret", "environment", "permission", "address", "clock"];

const clauses: Readonly<Record<Cause, string>> = {
  key: "the API key is invalid or was deleted",
  secret: "the secret does not belong to the API key",
  environment: "the API key belongs to another environment",
  permission: "the API key lacks a permission",
  address: "the API key may not be used from this address",
  clock: "the clock of this machine is wrong",
};

function sentence(speaker: Speaker, meaning: Meaning, said: Said): string {
  const known = meaning === "ambiguous" ? { causes: anyCause, ...said } : said;
  const message = explanation(speaker, sentences[meaning], known, meaning === "ip_not_allowed");
  const { sisters = [] } = speaker;
  const mayBeKey = meaning === "bad_key" || (known.causes ?? []).includes("key");
  if (!mayBeKey || sisters.length === 0) return message;
  return `${message} If it is a key of ${sisters.join(" or ")}, register it there.`;
}

/** What is the matter, what to do about it, and what the venue said. */
function explanation(speaker: Speaker, matter: string, said: Said, isAddress: boolean): string {
  const { causes = [], hint } = said;
  const parts = [`${speaker.name}: ${matter}.`];
  if (causes.length > 0) parts.push(`Possible causes: ${causes.map((cause) => clauses[cause]).join("; ")}.`);
  if (hint !== undefined) parts.push(hint);
  if ((isAddress || causes.includes("address")) && speaker.addresses.length > 0) {
    parts.push(`Allow ${speaker.addresses.join(", ")} at the venue.`);
  }
  const quote = quoted(said);
  if (quote !== undefined) parts.push(quote);
  return parts.join(" ");
}

function quoted({ code, text }: Said): string | undefined {
  const words = text ?? code;
  if (words === undefined) return undefined;
  const sentence = words.replace(/\.$/, "");
  return code === undefined || code === words ? `It said: ${sentence}.` : `It said: ${sentence} (${code}).`;
}
