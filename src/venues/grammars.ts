import { z } from "zod";

// Texts that a caller chooses and that may end up in the path, query or body of a request. None of these
// grammars has a slash that a symbol does not need, two dots in a row, a backslash, a question mark, a number
// sign or a percent sign: no text can make one request into another.

/**
 * A part of a symbol: letters of any script (Binance lists 币安人生), digits, and the marks that codes are known
 * to have.
 */
const part = String.raw`[\p{L}\p{N}$!_][\p{L}\p{N}$!_*+.\-]*`;

function text(pattern: string, longest: number) {
  return z
    .string()
    .trim()
    .max(longest)
    .regex(new RegExp(`^(?!.*\\.\\.)(?:${pattern})$`, "u"), "has a character that it may not have");
}

/**
 * A unified symbol such as `BTC/USDT:USDT-240628-50000-C`, or an id of the venue's own such as `C:EURUSD`.
 */
export const symbol = text(`${part}(?:/${part})?(?::${part})?`, 64);
/** A currency. */
export const currency = text(part, 32);
/** A chain, under the name of ccxt or of the venue: `ERC20`, `Arbitrum One(ARB)`. */
export const network = text(String.raw`[A-Za-z0-9][A-Za-z0-9 ()_.\-]*`, 64);
/** The id of an order. */
export const orderId = text(String.raw`[A-Za-z0-9][A-Za-z0-9_:.=\-]*`, 128);
/**
 * Where a withdrawal goes: an address of a chain, an account's name such as `alice.near`, or an address by
 * mail or Lightning.
 */
export const address = text(String.raw`[A-Za-z0-9][A-Za-z0-9_:.=+@\-]*`, 256);
/** What some chains want beside an address. */
export const tag = text(String.raw`[A-Za-z0-9][A-Za-z0-9 _:.,=+@\-]*`, 256);
/** One of the caller's own accounts at the venue. */
export const ownAccount = text("[a-z][a-z_]*", 32);
/** The length of a candle in ccxt's words: seconds, minutes, hours, days, weeks, months, years. */
export const timeframe = text("[1-9][0-9]{0,2}[smhdwMy]", 4);

const secondMs = 1000;
const unitMs: Readonly<Record<string, number>> = {
  s: secondMs,
  m: 60 * secondMs,
  h: 3600 * secondMs,
  d: 86_400 * secondMs,
  w: 7 * 86_400 * secondMs,
  M: 31 * 86_400 * secondMs,
  y: 366 * 86_400 * secondMs,
};

/** The length of a candle in milliseconds, of a month and a year the longest. */
export function lengthOf(timeframe: string): number {
  return Number(timeframe.slice(0, -1)) * (unitMs[timeframe.slice(-1)] ?? 0);
}
