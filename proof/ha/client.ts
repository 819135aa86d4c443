import { type Client, createClient, KeyholdProblem } from "@keyhold/client";
import type { Event, Kind, Outcome } from "./events.ts";

/** What came of one request: the body of a success, or the problem. `status` is 0 where Keyhold did not answer. */
export type Answer<T = unknown> = Readonly<{
  status: number;
  body: NonNullable<T> | null;
  problem: KeyholdProblem | null;
  began: number;
  ended: number;
}>;

/** A request of the client. */
export type Sent<T> = Promise<Readonly<{ data?: T; response: Response }>>;

/** Sends each request once, for a proof counts every answer, and waits for it as long as `fetch` does. */
export function connect(baseUrl: string, token: string): Client {
  return createClient({ baseUrl, token, retries: { reads: 0, changes: 0 }, timeoutMs: 600_000 });
}

export async function ask<T>(send: () => Sent<T>): Promise<Answer<T>> {
  const began = performance.now();
  const answered = await send().then(
    ({ data, response: { status } }) => ({ status, body: data ?? null, problem: null }),
    (error: unknown) => {
      // Half an answer, or one of something else, says as little as none.
      const problem = error instanceof KeyholdProblem && error.code !== null ? error : null;
      return { status: problem?.status ?? 0, body: null, problem };
    },
  );
  return { ...answered, began, ended: performance.now() };
}

/** What came of a request; `ok` is what a success came to. */
export function eventOf<T>(kind: Kind, answer: Answer<T>, ok: (body: NonNullable<T>) => Outcome): Event {
  const { body, problem, began, ended } = answer;
  if (body !== null) return { kind, outcome: ok(body), code: null, began, ended };
  return { kind, outcome: outcomeOf(problem), code: problem?.code ?? "no_answer", began, ended };
}

/** Codes that decide nothing about a credential. */
const indefinite = [
  "store_unavailable",
  "key_unavailable",
  "record_unavailable",
  "venue_unavailable",
  "not_ready",
];

function outcomeOf(problem: KeyholdProblem | null): Outcome {
  if (problem === null) return "refused";
  const { status, code, detail } = problem;
  if (status === 422 && code === "venue_refused") return "declined";
  const saysTryAgain = /\btry again\b/i.test(detail);
  return status === 503 && indefinite.includes(code ?? "") && saysTryAgain ? "try_again" : "refused";
}
