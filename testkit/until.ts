import { setTimeout as sleep } from "node:timers/promises";

/** For what takes seconds, on a machine that may be busy. */
const usualPatienceMs = 90_000;

/** Asks until there is an answer, and returns it. Throws an `Error` that names what did not happen in time. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | null>,
  patienceMs: number = usualPatienceMs,
): Promise<T> {
  const deadline = performance.now() + patienceMs;
  while (true) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > deadline) throw new Error(`Waited ${patienceMs / 1000} s in vain for ${what}.`);
    await sleep(100);
  }
}
