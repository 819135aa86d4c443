/** The program of a venue process: takes calls with sealed fields, answers each with a verdict or a result. */
import { createPerformer, type Perform } from "./perform.ts";
import type { FromProcess, ToProcess } from "./protocol.ts";
import { createRecipient } from "./transport.ts";

const recipient = createRecipient();
let perform: Perform | undefined;

process.on("message", (message: ToProcess) => {
  if (message.kind === "settings") {
    perform = createPerformer(message.settings);
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

function send(message: FromProcess): void {
  process.send?.(message);
}
