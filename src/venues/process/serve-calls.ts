import { createKeyPerformer, type PerformKeyJob } from "../keys/perform.ts";
import { Loading } from "./loading.ts";
import { createPerformer, type Perform, type PerformOptions } from "./perform.ts";
import { beatEveryMs, type FromProcess, type ToProcess } from "./protocol.ts";
import type { VenueSettings } from "../settings.ts";
import { createRecipient } from "./transport.ts";

/** Makes what does the work of a venue process. */
export type MakePerform = (settings: VenueSettings, options: Pick<PerformOptions, "onLoading">) => Perform;

/** Serves the calls of the process that started this one, until that ends. */
export function serveCalls(make: MakePerform = createPerformer): void {
  const recipient = createRecipient();
  let perform: Perform | undefined;
  let performKeyJob: PerformKeyJob | undefined;
  const loading = new Loading((active) => say({ kind: "loading", active }));

  process.on("message", (message: ToProcess) => {
    if (message.kind === "settings") {
      perform = make(message.settings, { onLoading: (active) => void loading.note(active) });
      performKeyJob = createKeyPerformer(message.settings);
    } else if (message.kind === "expect") {
      for (const venue of message.venues) void loading.code(venue);
    } else if (message.kind === "keyCall") {
      void answerKeyCall(message);
    } else {
      void answer(message);
    }
  });
  // The serving process decides when this one ends, also when a terminal interrupts both, and it takes this one along.
  process.on("SIGINT", () => {});
  process.once("disconnect", () => process.exit());
  // A promise that a library forgot must not end the calls of others.
  process.on("unhandledRejection", () => {});
  setInterval(beat, beatEveryMs);
  void say({ kind: "ready", publicKey: recipient.publicKey });

  async function answer({ id, job, sealed }: Extract<ToProcess, { kind: "call" }>): Promise<void> {
    if (perform === undefined) throw new TypeError("a call came before the settings");
    await loading.code(job.venue);
    await say({ kind: "begun", id });
    const answer = await perform(job, recipient.open(sealed), departure(id));
    await say({ kind: "answer", id, answer, memory: process.memoryUsage.rss() });
  }

  async function answerKeyCall(call: Extract<ToProcess, { kind: "keyCall" }>): Promise<void> {
    if (performKeyJob === undefined) throw new TypeError("a call came before the settings");
    const { id, job, sealed, replyTo } = call;
    await loading.code(job.venue);
    await say({ kind: "begun", id });
    const credentials = sealed.map((fields) => recipient.open(fields));
    const answer = await performKeyJob(job, credentials, replyTo, departure(id));
    await say({ kind: "keyAnswer", id, answer, memory: process.memoryUsage.rss() });
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
