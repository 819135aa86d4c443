/** The names of what differs between two sets of facts, in order; the order within lists, and of names, tells nothing. */
export function differing(one: object, other: object): string[] {
  const [before, after] = [new Map(Object.entries(one)), new Map(Object.entries(other))];
  const names = new Set([...before.keys(), ...after.keys()]);
  return [...names].filter((name) => canonical(before.get(name)) !== canonical(after.get(name))).toSorted();
}

function canonical(value: unknown): string {
  return JSON.stringify(value ?? null, inOrder);
}

function inOrder(_name: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map(String).toSorted();
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
