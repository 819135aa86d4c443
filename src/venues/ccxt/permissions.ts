import type { Grant, Permissions } from "../verdict.ts";

export const grant = (given: boolean): Grant => (given ? "yes" : "no");

/** Of a key that answered a read, at a venue that tells nothing more. */
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

/** Permissions from a list of words; words outside the vocabulary are kept as unknown. */
export function permissionsOf(
  vocabulary: Vocabulary,
  words: readonly string[],
  boundIps: readonly string[] | null,
): Permissions {
  const allowed = new Set(words.flatMap((word) => vocabulary[word] ?? []));
  return {
    read: grant(allowed.has("read")),
    trade: grant(allowed.has("trade")),
    withdraw: grant(allowed.has("withdraw")),
    transfer: grant(allowed.has("transfer")),
    boundIps,
    unknownWords: words.filter((word) => !Object.hasOwn(vocabulary, word)),
  };
}

/** The parts of a comma-separated list, without blanks. */
export function listOf(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** The addresses of a list in which a star, a zero address or nothing at all means that the key is not bound. */
export function boundTo(addresses: readonly string[]): readonly string[] {
  return addresses.filter((address) => address !== "" && address !== "*" && address !== "0.0.0.0");
}
