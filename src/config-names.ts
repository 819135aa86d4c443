import { StartError } from "./errors.ts";

/** Stops the start for a name in a setting that stands for nothing, with the names that it may have been meant for. */
export function unknownName(
  variable: string,
  name: string,
  what: string,
  known: Iterable<string>,
): StartError {
  const near = nearNames(name, known);
  const advice = near.length === 0 ? "" : ` Did you mean ${near.join(" or ")}?`;
  return new StartError(`${variable} names ${name}, which is no ${what}.${advice}`);
}

/** The known names that are spelt most like this one, at most three. */
export function nearNames(name: string, known: Iterable<string>): readonly string[] {
  const wanted = name.toLowerCase();
  const distances = [...known].map((other) => ({ other, distance: distanceOf(wanted, other.toLowerCase()) }));
  return distances
    .filter(({ other, distance }) => distance <= Math.min(2, other.length / 2))
    .toSorted((one, two) => one.distance - two.distance)
    .slice(0, 3)
    .map(({ other }) => other);
}

/** The changes of one letter that lead from one text to the other (V. I. Levenshtein, 1966). */
function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [at, sign] of from.split("").entries()) {
    const next = [at + 1];
    for (const [column, other] of to.split("").entries()) {
      const substituted = (row[column] ?? 0) + (sign === other ? 0 : 1);
      next.push(Math.min(substituted, (row[column + 1] ?? 0) + 1, (next[column] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
