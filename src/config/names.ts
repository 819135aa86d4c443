import { StartError } from "../errors.ts";
import { nearNames } from "../near-names.ts";

/** Stops the start for a name in a setting that stands for nothing, with the names that it may have been meant for. */
export function unknownName(
  variable: string,
  name: string,
  what: string,
  known: Iterable<string>,
): StartError {
  const near = nearNames(name, [...known]);
  const advice = near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`;
  return new StartError(`${variable} names ${name}, which is no ${what}.${advice}`);
}
