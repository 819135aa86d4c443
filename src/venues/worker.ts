/** The program of a venue process: takes calls with sealed fields, answers each with a verdict or a result. */
import { createKeyPerformer, type PerformKeyJob } from "./keys/perform.ts";
import { createPerformer, type Perform } from "./perform.ts";
import type { FromProcess, ToProcess } from "./protocol.ts";
import { createRecipient } from "./transport.ts";

const recipient = createRecipient();
let perform: Perform | undefined;
let performKeyJob: PerformKeyJob | undefined;

process.on("message", (message: ToProcess) => {
  if (message.kind === "settings") {
    perform = createPerformer(message.settings);
    performKeyJob = createKeyPerformer(message.settings);
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
send({ kind: "ready", publicKey: recipient.publicKey });

async function answer({ id, job, sealed }: Extract<ToProcess, { kind: "call" }>): Promise<void> {
  if (perform === undefined) throw new TypeError("a call came before the settings");
  const answer = await perform(job, recipient.open(sealed));
  send({ kind: "answer", id, answer, memory: process.memoryUsage.rss() });
}

async function answerKeyCall(call: Extract<ToProcess, { kind: "keyCall" }>): Promise<void> {
  if (performKeyJob === undefined) throw new TypeError("a call came before the settings");
  const { id, job, sealed, replyTo } = call;
  const credentials = sealed.map((fields) => recipient.open(fields));
  const answer = await performKeyJob(job, credentials, replyTo);
  send({ kind: "keyAnswer", id, answer, memory: process.memoryUsage.rss() });
}

function send(message: FromProcess): void {
  process.send?.(message);
}
