import { loadVenue } from "../adapters.ts";

/**
 * What a venue process loads: code and market lists. Both take the event loop for a while, which is no stall, and several may be loaded
 * at once.
 */
export class Loading {
  readonly #say: (active: boolean) => Promise<void>;
  readonly #venues = new Map<string, Promise<void>>();
  #count = 0;

  /** `say` is called when something begins to be loaded and when nothing is loaded any more. */
  constructor(say: (active: boolean) => Promise<void>) {
    this.#say = say;
  }

  /** Something begins or ends to be loaded. Resolves when that is said. */
  async note(active: boolean): Promise<void> {
    this.#count += active ? 1 : -1;
    if (this.#count === (active ? 1 : 0)) await this.#say(active);
  }

  /** Resolves when the code of the venue is loaded, by its first call, or cannot be loaded: the call that needs it says so. */
  code(venue: string): Promise<void> {
    const known = this.#venues.get(venue);
    if (known !== undefined) return known;
    const loaded = this.#load(venue);
    this.#venues.set(venue, loaded);
    return loaded;
  }

  async #load(venue: string): Promise<void> {
    await this.note(true);
    await loadVenue(venue).catch(() => undefined);
    await this.note(false);
  }
}
