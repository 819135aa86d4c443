import { setTimeout as sleep } from "node:timers/promises";
import { problemOf, secondsOf } from "./problem.ts";

/**
 * How often a request is sent once more after the connection broke, or the service answered with a 5xx or
 * asked to wait a little. A change is sent again under its Idempotency-Key alone.
 */
export type Retries = Readonly<{ reads: number; changes: number }>;

type Fetch = (request: Request) => Promise<Response>;

const firstPauseMs = 200;
const longestPauseMs = 5000;

/**
 * Sends requests over `fetch`. Throws what `fetch` throws; `timeoutMs` bounds each attempt with its body,
 * where it is given.
 */
export function createSender(fetch: Fetch, retries: Retries, timeoutMs?: number): Fetch {
  return async (request) => {
    const isChange = request.method !== "GET";
    const isSafe = !isChange || request.headers.has("idempotency-key");
    let left = isSafe ? retries[isChange ? "changes" : "reads"] : 0;
    for (let tries = 0; ; tries += 1) {
      const answer = await attempt(fetch, inTime(request.clone(), timeoutMs));
      const pauseMs = left === 0 ? null : await pauseBefore(answer, tries);
      if (pauseMs === null) {
        if (answer instanceof Error) throw answer;
        return answer;
      }
      left -= 1;
      if (!(answer instanceof Error)) await answer.body?.cancel();
      await sleep(pauseMs);
    }
  };
}

function inTime(request: Request, timeoutMs: number | undefined): Request {
  if (timeoutMs === undefined) return request;
  return new Request(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]) });
}

function attempt(fetch: Fetch, request: Request): Promise<Response | Error> {
  return fetch(request).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  );
}

/** How long to wait before the next attempt; `null` if another one would bring nothing else. */
async function pauseBefore(answer: Response | Error, tries: number): Promise<number | null> {
  if (answer instanceof Error) return isBroken(answer) ? backOff(tries) : null;
  const waitSeconds = secondsOf(answer.headers);
  if (waitSeconds !== null && waitSeconds * 1000 > longestPauseMs) return null;
  const isTemporary =
    answer.status >= 500 ||
    (answer.status === 429 && waitSeconds !== null) ||
    // An earlier attempt of this change is still at work.
    (answer.status === 409 &&
      tries > 0 &&
      (await problemOf(answer.clone())).code === "idempotency_in_flight");
  if (!isTemporary) return null;
  return waitSeconds === null ? backOff(tries) : waitSeconds * 1000;
}

/** A connection's own error has a code; a time-out and a redirect that is not followed have none. */
function isBroken({ cause }: Error): boolean {
  return cause instanceof Error && "code" in cause;
}

/**
 * Doubles each time. What many clients lost at once does not come back at once: a part of the pause is left
 * to chance.
 */
function backOff(tries: number): number {
  return Math.min(firstPauseMs * 2 ** tries, longestPauseMs) * (0.5 + Math.random() / 2);
}
