/** The most changes of a letter between a name and what was meant. Two swapped letters are two changes. */
const mostChanges = 2;
const mostNames = 3;

/** The known names nearest to an unknown one, the nearest first; none when no name is near. */
export function nearNames(name: string, names: readonly string[]): readonly string[] {
  return names
    .map((known) => ({ known, distance: distanceOf(name.toLowerCase(), known.toLowerCase()) }))
    .filter(({ known, distance }) => distance <= Math.min(mostChanges, known.length / 2))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, mostNames)
    .map(({ known }) => known);
}

/** Levenshtein's distance: letters to insert, remove or replace. */
function distanceOf(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const [at, letter] of Array.from(from).entries()) {
    const next = [at + 1];
    for (const [place, other] of Array.from(to).entries()) {
      const replaced = (row[place] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[place + 1] ?? 0) + 1, (next[place] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
