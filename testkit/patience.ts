/** For clients of a server that answers: how busy the machine is decides nothing. A test's own time-out ends what hangs. */
export const patient = { deadlineMs: 300_000, attemptMs: 300_000 } as const;

/** For clients of a server that will not answer. */
export const hasty = { deadlineMs: 500 } as const;

/**
 * The answer of somebody who tries until a deadline and then says why it failed. On a busy machine the time may be too short to hear
 * the reason: then he is asked again, with twice the time.
 */
export async function reasonGiven<T extends object>(ask: (deadlineMs: number) => Promise<T>): Promise<T> {
  for (let { deadlineMs }: { deadlineMs: number } = hasty; ; deadlineMs *= 2) {
    const answer = await ask(deadlineMs);
    if (!("reason" in answer && answer.reason === "timeout")) return answer;
  }
}
