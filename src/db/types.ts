import { TypeOverrides, types as defaults } from "pg";

/**
 * How values of the database become JavaScript's, for every connection of Keyhold.
 * int8 → number (throws beyond 2⁵³), timestamptz → Date (milliseconds: what needs more is computed in SQL),
 * bytea → Buffer, json and jsonb → parsed. A date or a timestamp without a zone stays text: pg would read it in the
 * zone of the machine.
 */
export const types = new TypeOverrides();

const { builtins } = defaults;
types.setTypeParser(builtins.INT8, parseInteger);
types.setTypeParser(builtins.DATE, asText);
types.setTypeParser(builtins.TIMESTAMP, asText);

function parseInteger(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError("an int8 of the database is no safe integer");
  return value;
}

function asText(text: string): string {
  return text;
}
