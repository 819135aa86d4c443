import type { Environment } from "./venue.ts";

/** Stands for a form: the venue answers a key that it cannot know as it answers any other. */
export const takesAnyKey = "any key";

type Place = Readonly<{ venue: string; environment: Environment }>;

/** How venues refuse a key that they do not know. What was learned is shared by all tenants. */
export type KnownRefusals = Readonly<{
  /**
   * The form of the refusal; `null` where it is not known. `learn` asks the venue, and is called at most once
   * a day for each venue and environment, whatever came of it.
   */
  of(place: Place, learn: () => Promise<string | null>): Promise<string | null>;
}>;

const dayMs = 86_400_000;

/** Remembers refusals in this process alone, for programs that have no database. */
export function refusalsInMemory(now: () => number = Date.now): KnownRefusals {
  const learned = new Map<string, Readonly<{ at: number; form: Promise<string | null> }>>();
  return {
    of({ venue, environment }, learn) {
      const key = `${venue} ${environment}`;
      const known = learned.get(key);
      if (known !== undefined && now() - known.at < dayMs) return known.form;
      const form = learn();
      learned.set(key, { at: now(), form });
      return form;
    },
  };
}
