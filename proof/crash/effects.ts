/**
 * When a process is killed: before an effect is begun, after it was answered, or while it is under way, so that nobody knows how far it
 * came.
 */
export const moments = ["before", "amid", "after"] as const;
export type Moment = (typeof moments)[number];

/** What reaches beyond the process: a commit, something done in the store, a question to the venue. */
export type Effect = Readonly<{
  name: string;
  /** What only reads leaves nothing half done, so that it is not cut off amid. */
  kind: "read" | "write";
}>;

/** `at` is the number of an effect, counted from 1. */
export type Point = Readonly<{ at: number; moment: Moment }>;

/** Where those wait who are to be killed together. */
export type Gate = Readonly<{ arrive(): void; opened: Promise<unknown> }>;

/** The effects of one piece of work, which comes to a stop at its point. */
export class Effects {
  readonly seen: Effect[] = [];
  readonly #point: Point | null;
  readonly #gate: Gate;

  constructor(point: Point | null, gate: Gate) {
    this.#point = point;
    this.#gate = gate;
  }

  async around<T>(effect: Effect, work: () => Promise<T>): Promise<T> {
    this.seen.push(effect);
    if (this.#point?.at !== this.seen.length) return work();
    if (this.#point.moment === "after") await work();
    this.#gate.arrive();
    if (this.#point.moment === "amid") {
      await this.#gate.opened;
      await work();
    }
    return new Promise<never>(() => undefined);
  }
}

export function pointsOf(effects: readonly Effect[]): readonly Point[] {
  return effects.flatMap(({ kind }, index) =>
    moments
      .filter((moment) => moment !== "amid" || kind === "write")
      .map((moment) => ({ at: index + 1, moment })),
  );
}
