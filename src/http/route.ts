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

/** The audit events of a call, or the reason why it has none. */
export type AuditDecision = readonly [EventName, ...EventName[]] | Readonly<{ none: string }>;

/** The declared facts of a route. */
export type RouteFacts = Readonly<{
  /**
   * What a call does. `reads`: it changes nothing. `uses`: it calls a venue, within what was allowed before.
   * `changes`: everything else, such as granting a right or revealing a secret; agents cannot call it.
   */
  effect: "reads" | "uses" | "changes";
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** With parameters as `:name`. */
  path: `/${string}`;
  /** Unique, in camel case: the operation's name in generated clients. */
  operationId: string;
  tag: string;
  summary: string;
  description?: string;
  audit: AuditDecision;
  /** The route's own errors, beside those of every route. */
  problems: readonly ErrorCode[];
  /** A rate limit that replaces the general one. */
  limit?: Exclude<Limit, "requests">;
  /**
   * What a repeat under the same Idempotency-Key does. `kept`: it gets the first answer, which is kept in the
   * commit of the change. `passed`: the verb itself does nothing twice. A reason: the header is ignored.
   * `none`: a read.
   */
  idempotency: "kept" | "passed" | "none" | Readonly<{ ignored: string }>;
}>;

/** A route that can be registered and documented. The types of its parts are hidden inside. */
export type Route = RouteFacts &
  Readonly<{
    admission: Admission;
    input: z.ZodObject;
    answer: Omit<Answer<never>, "encode">;
    /**
     * Checks the parts of a request as they were received, and returns the remaining work. With `keep`, the
     * answer is kept in the commit of the change. Throws what `admit` throws, and `malformed`.
     */
    prepare(
      raw: Readonly<{ params: unknown; query: unknown; body: unknown; ifMatch: string | undefined }>,
      caller: Caller,
      idempotencyKey: string | null,
    ): (keep?: Keep) => Promise<Reply>;
  }>;

/** `call` is a request as a handler sees it: the caller is admitted and every part is checked. */
type Handle<C extends Caller, Input extends z.ZodObject, T> = (
  call: Readonly<{ caller: C; input: z.output<Input>; idempotencyKey: string | null }>,
) => Promise<T>;

/** A write gets its answer from `change`, or gives the reason why a repeat needs none. */
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
 * Defines a route. Its permission, its effect, its audit decision and what a repeat does are part of the
 * definition: a route without them does not compile.
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
