import type { Event, Kind, Outcome } from "./events.ts";

export type Request = Readonly<{
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Below `/api/v1`. */
  path: string;
  token: string;
  body?: object;
  headers?: Readonly<Record<string, string>>;
}>;

/** `status` is 0 where no answer came. */
export type Answer = Readonly<{
  status: number;
  body: Readonly<Record<string, unknown>>;
  began: number;
  ended: number;
}>;

/** Sends one request, and waits for its answer as long as it takes. */
export async function ask(origin: string, { method, path, token, body, headers }: Request): Promise<Answer> {
  const began = performance.now();
  const answered = await fetch(`${origin}/api/v1${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
    .then(async (response) => ({ status: response.status, body: readBody(await response.text()) }))
    .catch(() => ({ status: 0, body: {} }));
  return { ...answered, began, ended: performance.now() };
}

function readBody(text: string): Answer["body"] {
  return text === "" ? {} : asRecord(JSON.parse(text));
}

/** The answer to a request that has to succeed. Throws an `Error` with the service's words. */
export async function demand(origin: string, request: Request): Promise<Answer["body"]> {
  const { status, body } = await ask(origin, request);
  if (status >= 200 && status < 300) return body;
  throw new Error(`${request.method} ${request.path} was answered with ${status}: ${JSON.stringify(body)}`);
}

/** What came of a request; `ok` is what a success came to. */
export function eventOf(kind: Kind, answer: Answer, ok: (body: Answer["body"]) => Outcome): Event {
  const { status, body, began, ended } = answer;
  if (status >= 200 && status < 300) return { kind, outcome: ok(body), code: null, began, ended };
  return { kind, outcome: outcomeOf(answer), code: textIn(body, "code", "no_answer"), began, ended };
}

/** Codes that decide nothing about a credential. */
const indefinite = [
  "store_unavailable",
  "key_unavailable",
  "record_unavailable",
  "venue_unavailable",
  "not_ready",
];

function outcomeOf({ status, body }: Answer): Outcome {
  const code = textIn(body, "code");
  if (status === 422 && code === "venue_refused") return "declined";
  const saysTryAgain = /\btry again\b/i.test(textIn(body, "detail"));
  return status === 503 && indefinite.includes(code) && saysTryAgain ? "try_again" : "refused";
}

export function textIn(body: Answer["body"], name: string, otherwise = ""): string {
  const value = body[name];
  return typeof value === "string" ? value : otherwise;
}

export function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}
