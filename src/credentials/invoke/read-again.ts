import { setTimeout as sleep } from "node:timers/promises";

/** Long enough for a venue's next machine to be asked. */
const pauseMs = 200;

/** Reads once more where the connection failed or the venue answered with a 5xx. For what changes nothing at the venue, and nothing else. */
export async function readAgain<T extends Readonly<{ outcome: string }>>(read: () => Promise<T>): Promise<T> {
  const answer = await read();
  if (answer.outcome !== "venue_unavailable") return answer;
  await sleep(pauseMs);
  return read();
}
