import { loadVenue } from "../adapters.ts";
import type { VenueSettings } from "../settings.ts";
import { createPerformer, type Perform } from "./perform.ts";
import { beatEveryMs, createRecipient, type FromProcess, type ToProcess } from "./protocol.ts";

/**
 * Serves the calls of the process that started this one, until that ends. `make` makes what does the work.
 */
export function serveCalls(
  make: (
    settings: VenueSettings,
    options: Readonly<{ onLoading: (active: boolean) => void }>,
  ) => Perform = createPerformer,
): void {
  const recipient = createRecipient();
  let perform: Perform | undefined;
  const loading = new Loading((active) => say({ kind: "loading", active }));

  process.on("message", (message: ToProcess) => {
    if (message.kind === "settings") {
      perform = make(message.settings, { onLoading: (active) => void loading.note(active) });
    } else if (message.kind === "expect") {
      for (const venue of message.venues) void loading.code(venue);
    } else {
      void answer(message);
    }
  });
  // The serving process decides when this one ends, also when a terminal interrupts both, and it takes this
  // one along.
  process.on("SIGINT", () => {});
  process.once("disconnect", () => process.exit());
  // A promise that a library forgot must not end the calls of others.
  process.on("unhandledRejection", () => {});
  setInterval(beat, beatEveryMs);
  void say({ kind: "ready", publicKey: recipient.publicKey });

  async function answer({ id, job, sealed, replyTo }: Extract<ToProcess, { kind: "call" }>): Promise<void> {
    if (perform === undefined) throw new TypeError("a call came before the settings");
    await loading.code(job.venue);
    await say({ kind: "begun", id });
    const credentials = sealed.map((fields) => recipient.open(fields));
    const answer = await perform(job, credentials, { leaving: departure(id), replyTo });
    await say({ kind: "answer", id, answer, memory: process.memoryUsage.rss() });
  }
}

/** Says once that a call is leaving, and lets it leave when that is written. */
function departure(id: number): () => Promise<void> {
  let said: Promise<void> | undefined;
  return () => (said ??= say({ kind: "sent", id }));
}

function beat(): void {
  const { user, system } = process.cpuUsage();
  void say({ kind: "beat", cpuMs: (user + system) / 1000 });
}

/** Resolves when the message is written; a channel that is gone ends this process anyway. */
function say(message: FromProcess): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined) resolve();
    else process.send(message, undefined, undefined, () => resolve());
  });
}

/**
 * What a venue process loads: code and market lists. Both take the event loop for a while, which is no stall,
 * and several may be loaded at once.
 */
class Loading {
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

  /**
   * Resolves when the code of the venue is loaded, by its first call, or cannot be loaded: the call that
   * needs it says so.
   */
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
