import { randomBytes, randomInt } from "node:crypto";

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

const pick = (alphabet: string, length: number): string =>
  Array.from({ length }, () => alphabet.charAt(randomInt(alphabet.length))).join("");

/** Letters of both cases and digits. */
export const randomAlphanumeric = (length: number): string => pick(alphanumeric, length);

/** Capital letters and digits. */
export const randomCapitals = (length: number): string =>
  pick("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", length);

export const randomHex = (bytes: number): string => randomBytes(bytes).toString("hex");

export const randomBase64 = (bytes: number): string => randomBytes(bytes).toString("base64");
