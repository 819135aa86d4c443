import { hkdfSync } from "node:crypto";

const derivedCharacters = 25;

/**
 * The passphrase of the key with this marker. Venues let the caller choose it, and KuCoin deletes a key only for who
 * knows it, so it must be known even when the answer to the creation was lost: it is derived from the parent's secret
 * and needs to be kept nowhere. Its venue learns it and nothing of that secret by it.
 *
 * 29 characters at most with 129 bits: an upper-case letter, lower-case letters and digits, and a special character
 * where `special` says so, which are the forms that OKX, KuCoin and Bitget ask for.
 */
export function passphraseOf(parentSecret: string, marker: string, special: boolean): string {
  const info = `keyhold passphrase 1\n${marker}`;
  const bytes = Buffer.from(hkdfSync("sha256", parentSecret, "", info, 32));
  const number = BigInt(`0x${bytes.toString("hex")}`) % 36n ** BigInt(derivedCharacters);
  const derived = number.toString(36).padStart(derivedCharacters, "0");
  return `Kh1${derived}${special ? "!" : ""}`;
}
