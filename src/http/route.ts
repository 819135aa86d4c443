import type { z } from "zod";
import type { KeepAnswer } from "../access/principal.ts";
import type { Limit } from "../access/rate-limits.ts";
import type { Answered } from "../audit/change.ts";
import type { EventName } from "../audit/events.ts";
import type { ErrorCode } from "../errors.ts";
import type { Answer, Keepable, Reply } from "./answer.ts";
import type { Keep } from "./idempotency.ts";
import { type Admission, type Caller, closedToAgents } from "./permission.ts";
import { describeIssues } from "./problems.ts";

/** The events by which the record tells of a call, or why it tells nothing. */
export type AuditDecision = readonly [EventName, ...EventName[]] | Readonly<{ none: string }>;

/**
 * What a repeat under the same Idempotency-Key does. `kept`: it is given the first answer, which is kept in the commit of the change.
 * `passed`: the verb itself does nothing twice. A reason: the header is ignored. `none`: a read.
 */
type Idempotency = "kept" | "passed" | "none" | Readonly<{ ignored: string }>;

/**
 * What a call does. `reads`: nothing is different after it. `uses`: it has a venue asked, within what was allowed before. `changes`:
 * everything else, such as whatever makes more possible than before, and the handing out of a secret; it is closed to agents.
 */
type Effect = "reads" | "uses" | "changes";

/** What is known of a route without calling it. */
export type RouteFacts = Readonly<{
  effect: Effect;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With parameters as `:name`. */
  path: `/${string}`;
  /** In camel case and unique: the operation's name in generated clients. */
  operationId: string;
  tag: string;
  summary: string;
  description?: string;
  audit: AuditDecision;
  /** Errors of its own, beside those that every route has. */
  problems: readonly ErrorCode[];
  /** A limit of its own, beside that of requests. */
  limit?: Exclude<Limit, "requests">;
  idempotency: Idempotency;
}>;

/** The parts of a request as they came in. */
type RawInput = Readonly<{
  params: unknown;
  query: unknown;
  body: unknown;
  ifMatch: string | undefined;
}>;

/** A request as a handler sees it: the caller admitted, every part checked. */
type Call<C, Input> = Readonly<{ caller: C; input: Input; idempotencyKey: string | null }>;

/** What is left to do. With `keep`, the answer is kept in the commit of the change. */
type Run = (keep?: Keep) => Promise<Reply>;

/** A route that can be registered and documented. Types of its parts are closed inside. */
export type Route = RouteFacts &
  Readonly<{
    admission: Admission;
    input: z.ZodObject;
    answer: Omit<Answer<never>, "encode">;
    /** Checks the request and answers with what is left to do. Throws what `admit` throws, and `malformed`. */
    prepare(raw: RawInput, caller: Caller, idempotencyKey: string | null): Run;
  }>;

type Handle<C extends Caller, Input extends z.ZodObject, T> = (call: Call<C, z.output<Input>>) => Promise<T>;

/** A write has its answer from `change`, or says why a repeat needs none. */
type Doing<C extends Caller, Input extends z.ZodObject, T> =
  | Readonly<{ method: "GET"; idempotency: "none"; answer: Answer<T>; handle: Handle<C, Input, T> }>
  | Readonly<{
      method: "POST" | "PUT" | "PATCH" | "DELETE";
      idempotency: "kept";
      answer: Keepable<T>;
      handle: Handle<C, Input, Answered<T & object>>;
    }>
  | Readonly<{
      method: "POST";
      idempotency: "passed" | Readonly<{ ignored: string }>;
      answer: Answer<T>;
      handle: Handle<C, Input, T>;
    }>;

type Definition<C extends Caller, Input extends z.ZodObject, T> = Omit<RouteFacts, "method" | "idempotency"> &
  Doing<C, Input, T> &
  Readonly<{
    permission: Admission<C>;
    /** Of `params`, `query`, `body` and `ifMatch`, those that the route reads. */
    input: Input;
  }>;

/**
 * Defines a route. Who may call it, whether it changes anything, what the record tells of it, and what a repeat of it does, are part of
 * the definition: a route without them does not compile.
 */
export function route<C extends Caller, Input extends z.ZodObject, T>(
  definition: Definition<C, Input, T>,
): Route {
  const { permission: declared, input, ...facts } = definition;
  const permission = facts.effect === "changes" ? closedToAgents(declared) : declared;
  return {
    ...facts,
    admission: permission,
    input,
    prepare(raw, caller, idempotencyKey) {
      const admitted = permission.admit(caller);
      const parsed = input.safeParse(raw);
      if (!parsed.success) throw describeIssues(parsed.error.issues);
      const call = { caller: admitted, input: parsed.data, idempotencyKey };
      return async (keep) => {
        if (definition.idempotency !== "kept" || keep === undefined)
          return definition.answer.encode(await definition.handle(call));
        const { answer, handle } = definition;
        const keepAnswer: KeepAnswer = (tx, value) => keep(tx, answer.keep(value));
        return answer.encode(await handle({ ...call, caller: { ...admitted, keepAnswer } }));
      };
    },
  };
}
