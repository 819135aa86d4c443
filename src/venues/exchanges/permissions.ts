import type { Grant, Permissions } from "../verdict.ts";

export const grant = (given: boolean): Grant => (given ? "yes" : "no");

/** The permissions of a key that answered a read, at a venue that shows nothing more. */
export const unknownPermissions: Permissions = {
  read: "yes",
  trade: "unknown",
  withdraw: "unknown",
  transfer: "unknown",
  boundIps: null,
  unknownWords: [],
};

/** What each permission word of a venue allows; a word may allow nothing that matters here. */
export type Vocabulary = Readonly<Record<string, readonly ("read" | "trade" | "withdraw" | "transfer")[]>>;

/**
 * Permissions from a list of words, of a key that has just answered a read. Words outside the vocabulary are
 * kept as unknown. An empty list is not the answer that a venue documents for such a key, so it shows
 * nothing: `undefined`.
 */
export function permissionsOf(
  vocabulary: Vocabulary,
  words: readonly string[],
  boundIps: readonly string[] | null,
): Permissions | undefined {
  if (words.length === 0) return undefined;
  const isKnown = (word: string) => Object.hasOwn(vocabulary, word);
  const allowed = new Set(words.filter(isKnown).flatMap((word) => vocabulary[word] ?? []));
  const unknownWords = words.filter((word) => !isKnown(word));
  return {
    read: "yes",
    trade: grant(allowed.has("trade")),
    withdraw: withdrawal(allowed.has("withdraw"), unknownWords),
    transfer: grant(allowed.has("transfer")),
    boundIps,
    unknownWords,
  };
}

/** Permissions of a key that the venue itself calls read-only: its words say only what it may look at. */
export function readOnly(granted: Permissions): Permissions {
  return { ...granted, trade: "no", withdraw: "no", transfer: "no", unknownWords: [] };
}

/** A word that Keyhold does not know may be the right to withdraw, so beside one there is no plain no. */
export function withdrawal(given: boolean, unknownWords: readonly string[]): Grant {
  if (given) return "yes";
  return unknownWords.length > 0 ? "unknown" : "no";
}

/** A flag, also where a venue writes it as text or as a number; `undefined` for anything else. */
export function flagOf(value: unknown): boolean | undefined {
  if (value === true || value === "true" || value === 1 || value === "1") return true;
  if (value === false || value === "false" || value === 0 || value === "0") return false;
  return undefined;
}

/**
 * The names, of those that are not `known`, under which an answer may grant a right: a flag that is set, and
 * whatever else could hold words. A number or nothing at all grants no right.
 */
export function grantingNames(
  answer: Readonly<Record<string, unknown>>,
  isKnown: (name: string) => boolean,
): string[] {
  return Object.entries(answer).flatMap(([name, value]) => {
    const granting = flagOf(value) ?? (value !== null && typeof value !== "number");
    return granting && !isKnown(name) ? [name] : [];
  });
}

/** The parts of a comma-separated list, without blanks. */
export function listOf(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/**
 * The addresses of a list in which a star, a zero address or nothing at all means that the key is not bound.
 */
export function boundTo(addresses: readonly string[]): readonly string[] {
  return addresses.filter((address) => address !== "" && address !== "*" && address !== "0.0.0.0");
}
