/** One thing that was measured. The name ends with its unit, and is the key in the JSON. `null` where it could not be read. */
export type Figure = Readonly<{ name: `${string}_${Unit}`; text: string; value: number | null }>;

const units = {
  ms: "ms",
  us: "µs",
  s: "s",
  per_s: "/s",
  ratio: "×",
  bytes: "MiB",
  count: "",
} as const;
type Unit = keyof typeof units;

/** A part of the report, in the order in which it was measured. */
export type Section = Readonly<{ title: string; figures: readonly Figure[] }>;

export function formatSection({ title, figures }: Section): string {
  const rows = figures.map(({ name, text, value }) => [text, format(name, value)] as const);
  const width = Math.max(...rows.map(([text]) => text.length));
  const lines = rows.map(([text, value]) => `  ${text.padEnd(width)}  ${value.padStart(14)}`);
  return [title, ...lines, ""].join("\n");
}

/** The same figures as one object, rounded to what a measurement can tell. */
export function toJson(sections: readonly Section[]): Readonly<Record<string, number | null>> {
  const figures = sections.flatMap((section) => section.figures);
  return Object.fromEntries(figures.map(({ name, value }) => [name, value === null ? null : round(value)]));
}

function format(name: Figure["name"], value: number | null): string {
  if (value === null) return "not readable";
  const unit = unitOf(name);
  const shown = unit === "bytes" ? value / 2 ** 20 : value;
  return `${round(shown).toLocaleString("en")} ${units[unit]}`.trimEnd();
}

function unitOf(name: Figure["name"]): Unit {
  if (name.endsWith("_per_s")) return "per_s";
  const last = name.slice(name.lastIndexOf("_") + 1);
  if (!isUnit(last)) throw new TypeError(`${name} does not end with a unit`);
  return last;
}

function isUnit(word: string): word is Unit {
  return Object.hasOwn(units, word);
}

/** Three significant digits; whole numbers stay whole. */
function round(value: number): number {
  return Number.isInteger(value) || Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
