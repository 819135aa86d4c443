import type { Reason } from "./refusal.ts";
import type { WireRequest } from "./request.ts";

/** How a venue can fail. Plain data, so that it can be asked for over HTTP. */
export type Fault =
  /** Exactly this, whatever was asked. */
  | Readonly<{ kind: "answer"; status: number; headers?: Readonly<Record<string, string>>; body: string }>
  /** What this venue answers for that reason. */
  | Readonly<{ kind: "refuse"; reason: Reason }>
  /** Takes the request and never answers. */
  | Readonly<{ kind: "hang" }>
  /** Status and headers at once, then a body that never ends, a byte at a time. */
  | Readonly<{ kind: "drip"; everyMs?: number }>
  /** Resets the connection before anything is done. */
  | Readonly<{ kind: "reset" }>
  /** Does what was asked, then resets the connection: the client cannot know. */
  | Readonly<{ kind: "lose_answer" }>
  /** A body of that many bytes. */
  | Readonly<{ kind: "huge"; bytes: number }>;

export type FaultScope = Readonly<{
  /** For so many requests; until cleared when not given. */
  times?: number;
  /** Only for paths that begin so. */
  path?: string;
  method?: string;
}>;

type Rule = { readonly fault: Fault; readonly scope: FaultScope; left: number };

/**
 * The failures that are planned for a venue, oldest first; the first that fits a request is the one shown.
 */
export class Faults {
  #rules: Rule[] = [];

  plan(fault: Fault, scope: FaultScope = {}): void {
    this.#rules.push({ fault, scope, left: scope.times ?? Infinity });
  }

  take(request: WireRequest): Fault | undefined {
    const rule = this.#rules.find(({ scope }) => fits(scope, request));
    if (rule === undefined) return undefined;
    rule.left -= 1;
    if (rule.left <= 0) this.#rules = this.#rules.filter((other) => other !== rule);
    return rule.fault;
  }

  clear(): void {
    this.#rules = [];
  }
}

const fits = (scope: FaultScope, request: WireRequest): boolean =>
  request.path.startsWith(scope.path ?? "") && (scope.method ?? request.method) === request.method;

const htmlPage = "<!doctype html><html><head><title>Error</title></head><body><h1>Error</h1></body></html>";

const answer = (status: number, type: string, body: string): Fault => ({
  kind: "answer",
  status,
  headers: { "content-type": type },
  body,
});

/** The usual failures by name. */
export const fault = {
  /** That status with a JSON body that has nothing to say. */
  status: (status: number): Fault => answer(status, "application/json", '{"message":"simulated failure"}'),
  json: (status: number, body: unknown): Fault => answer(status, "application/json", JSON.stringify(body)),
  html: (status: number): Fault => answer(status, "text/html", htmlPage),
  emptyObject: answer(200, "application/json", "{}"),
  emptyBody: answer(200, "application/json", ""),
  redirect: (location: string): Fault => ({ kind: "answer", status: 302, headers: { location }, body: "" }),
  refuse: (reason: Reason): Fault => ({ kind: "refuse", reason }),
  hang: { kind: "hang" },
  drip: { kind: "drip" },
  reset: { kind: "reset" },
  loseAnswer: { kind: "lose_answer" },
  huge: (bytes: number): Fault => ({ kind: "huge", bytes }),
} as const satisfies Record<string, Fault | ((...given: never[]) => Fault)>;
