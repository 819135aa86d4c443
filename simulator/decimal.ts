/**
 * An amount of money or of an asset as a whole number of hundred-millionths: exact where floating point is
 * not.
 */
export type Units = bigint;

const places = 8;
const one = 10n ** BigInt(places);

/** Reads a plain decimal of at most eight places; `undefined` for anything else, signs included. */
export function parseUnits(text: string | undefined): Units | undefined {
  const match = /^(\d{1,20})(?:\.(\d{0,20}))?$/.exec(text ?? "");
  if (match === null) return undefined;
  const [, whole = "0", fraction = ""] = match;
  return BigInt(whole) * one + BigInt(fraction.slice(0, places).padEnd(places, "0"));
}

/** The shortest decimal that means the same: `0.5`, `100`, `-2.25`. */
export function formatUnits(units: Units): string {
  const sign = units < 0n ? "-" : "";
  const size = units < 0n ? -units : units;
  const fraction = (size % one).toString().padStart(places, "0").replace(/0+$/, "");
  return `${sign}${size / one}${fraction === "" ? "" : `.${fraction}`}`;
}

export const multiply = (a: Units, b: Units): Units => (a * b) / one;

export const divide = (a: Units, b: Units): Units => (a * one) / b;

/** For constants in this program; throws where `parseUnits` would return nothing. */
export function units(text: string): Units {
  const value = parseUnits(text);
  if (value === undefined) throw new TypeError(`not a plain decimal: ${text}`);
  return value;
}
