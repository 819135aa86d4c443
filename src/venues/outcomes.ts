import type { Indefinite, Limited, Rejected } from "./verdict.ts";

/** What an answer of a venue means, one word for every outcome but `valid`. */
export type Meaning = Rejected["reason"] | Limited["outcome"] | Indefinite["outcome"];

export type Refusal = Rejected | Limited | Indefinite;

/** What the venue said, for the message. */
export type Said = Readonly<{
  code?: string;
  text?: string;
  /** What Keyhold knows about a code that is not plain. */
  hint?: string;
  /** True where the address may be at fault, so that the message names the addresses to allow. */
  addresses?: boolean;
}>;

/** Who is talking: the venue's name, and the addresses it sees. */
export type Speaker = Readonly<{ name: string; addresses: readonly string[] }>;

const sentences: Readonly<Record<Meaning, string>> = {
  bad_key: "the API key is invalid or unauthorized",
  bad_signature: "the signature is invalid: the secret does not belong to this API key",
  expired: "the API key has expired",
  revoked: "the API key was revoked",
  wrong_environment: "the API key is unauthorized here: it belongs to another environment",
  malformed: "the credential is malformed",
  insufficient_permission: "the API key lacks a permission",
  ip_not_allowed: "the API key may not be used from this address",
  clock_skew: "the time of the request was refused; check the clock of this machine",
  nonce: "the nonce was refused; the API key is probably in use elsewhere",
  rate_limited: "too many requests",
  venue_unavailable: "the venue is not available",
  timeout: "the venue did not answer in time",
  blocked: "the venue blocks requests from this address or region",
  unexpected_answer: "the venue gave an answer that Keyhold does not understand",
};

/** The refusal that a meaning stands for, with a message a person can act on. */
export function refusal(speaker: Speaker, meaning: Meaning, said: Said = {}): Refusal {
  const message = sentence(speaker, meaning, said);
  return isRejection(meaning)
    ? { outcome: "rejected", reason: meaning, message }
    : { outcome: meaning, message };
}

export function indefinite(speaker: Speaker, outcome: Indefinite["outcome"], said: Said = {}): Indefinite {
  return { outcome, message: sentence(speaker, outcome, said) };
}

const rejections: readonly string[] = [
  "bad_key",
  "bad_signature",
  "expired",
  "revoked",
  "wrong_environment",
  "malformed",
] satisfies readonly Rejected["reason"][];

function isRejection(meaning: Meaning): meaning is Rejected["reason"] {
  return rejections.includes(meaning);
}

function sentence(speaker: Speaker, meaning: Meaning, said: Said): string {
  return explanation(speaker, sentences[meaning], said, meaning === "ip_not_allowed");
}

/** What is the matter, what to do about it, and what the venue said. */
export function explanation(
  speaker: Speaker,
  matter: string,
  said: Said,
  isAddress: boolean = false,
): string {
  const parts = [`${speaker.name}: ${matter}.`];
  if (said.hint !== undefined) parts.push(said.hint);
  const mayBeAddress = isAddress || said.addresses === true;
  if (mayBeAddress && speaker.addresses.length > 0) {
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
