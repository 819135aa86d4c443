import type { Custody } from "../../../src/credentials/custody.ts";
import type { StartedDatabase } from "../../../src/db/start.ts";
import { createTurns } from "../../../src/db/turns.ts";
import type { VenueKeys } from "../../../src/venues/venue-keys.ts";

type Flaw = (custody: Custody, database: StartedDatabase) => Custody;

/** The first defence against an attack, switched off. */
export const flaws: Readonly<Record<string, Flaw>> = {
  /** The planted program of the venue processes is the flaw: it does what a key that no bound holds would do. */
  "signs-with-any-key": (custody) => custody,
  "waits-without-bound": (custody, database) => {
    const pool = database.openPool({ applicationName: "keyhold turns", max: 4, answerWithin: 2000 });
    return { ...custody, turns: createTurns(pool, { waitingPerKey: Infinity, waitingPerTenant: Infinity }) };
  },
  "rotates-one-after-another": (custody) => {
    const line = oneAfterAnother();
    return {
      ...custody,
      venueKeys: (venue) => {
        const keys = custody.venueKeys(venue);
        return keys === undefined ? undefined : inLine(keys, line);
      },
    };
  },
};

type Line = <T>(work: () => Promise<T>) => Promise<T>;

function oneAfterAnother(): Line {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => undefined);
    return next;
  };
}

function inLine(keys: VenueKeys, line: Line): VenueKeys {
  return {
    description: keys.description,
    create: (target, marker) => line(() => keys.create(target, marker)),
    find: (target, marker) => line(() => keys.find(target, marker)),
    revoke: (target, key) => line(() => keys.revoke(target, key)),
  };
}
