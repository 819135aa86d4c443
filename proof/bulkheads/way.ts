import type { Attacker } from "./attacker.ts";
import type { Site } from "./site.ts";

/** Where an attack takes place. */
export type Ground = Readonly<{ site: Site; attacker: Attacker }>;

/** One way in which a tenant can get in the way of another. */
export type Way = Readonly<{
  name: string;
  /** What the attacker does, as the end of "an attacker who …". */
  does: string;
  /** What stops the attack first, and what has to hold the victim harmless when that is off. */
  first: string;
  second: string;
  /** How long an attack lasts at least, in seconds, before the number of the victim's calls decides. */
  seconds: number;
  /** The service without the first defence; `null` where `disarm` switches it off in the database. */
  flaw: string | null;
  prepare(ground: Ground): Promise<void>;
  /** Switches the first defence off outside the service, or does by hand what it would have prevented. */
  disarm?(ground: Ground, until: AbortSignal): Promise<void>;
  /** Attacks until the signal comes, and leaves nothing running. */
  attack(ground: Ground, until: AbortSignal): Promise<void>;
  /** What the attack would do if the first defence let it pass, where the service without it has a planted fault instead. */
  planted?(ground: Ground, until: AbortSignal): Promise<void>;
}>;
