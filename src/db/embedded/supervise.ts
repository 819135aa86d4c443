import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { StartError } from "../../errors.ts";
import { hasEnded, stopPostmaster } from "./postmaster.ts";

/** A pause after which the cause of a failed start may have passed. */
const pauseMs = 1000;

/**
 * Watches a running server and starts it again when it ends before `stop` is called. Statements fail while it
 * is away, and succeed afterwards.
 */
export function supervise(
  first: ChildProcess,
  options: Readonly<{
    /**
     * Starts it again, on the same data and the same socket; `dead` is the server that ended. Throws when
     * that fails.
     */
    startAgain(dead: ChildProcess): Promise<ChildProcess>;
    /** Called when it has ended, and when it runs again. */
    onEvent(event: "ended" | "restarted"): void;
    /** Starts within `withinMs` at most. */
    mostStarts?: number;
    withinMs?: number;
  }>,
): Readonly<{
  /** Resolves when the server has ended too often and is not started again. */
  lost: Promise<StartError>;
  /** Stops the server for good. A second call does nothing. */
  stop(): Promise<void>;
}> {
  const { mostStarts = 3, withinMs = 10 * 60_000 } = options;
  const lost = Promise.withResolvers<StartError>();
  let server = first;
  let stopping = false;

  async function watch(): Promise<void> {
    let starts: readonly number[] = [];
    let failure: unknown = null;
    while (true) {
      if (!hasEnded(server)) await once(server, "exit");
      if (stopping) return;
      if (failure === null) options.onEvent("ended");
      const now = performance.now();
      starts = [...starts.filter((at) => at > now - withinMs), now];
      if (starts.length > mostStarts) return lost.resolve(endedTooOften(mostStarts, withinMs, failure));
      try {
        server = await options.startAgain(server);
        failure = null;
        options.onEvent("restarted");
      } catch (error) {
        failure = error;
        await sleep(pauseMs);
      }
    }
  }

  const watching = watch();
  return {
    lost: lost.promise,
    async stop() {
      stopping = true;
      await stopPostmaster(server);
      await watching;
      // One whose start was under way.
      await stopPostmaster(server);
    },
  };
}

function endedTooOften(mostStarts: number, withinMs: number, failure: unknown): StartError {
  const reason =
    failure instanceof StartError
      ? ` ${failure.message}`
      : " The log of the system says whether it was killed for want of memory.";
  return new StartError(
    `The embedded PostgreSQL ended, and was started again ${mostStarts} times in the last ${withinMs / 60_000} minutes.${reason}`,
    { cause: failure },
  );
}
