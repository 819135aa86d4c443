import { z } from "zod";
import type { Member, Operator } from "../../access/principal.ts";
import type { Answered } from "../../audit/change.ts";
import type { Custody } from "../../credentials/custody.ts";
import type { Page, PageRequest } from "../../db/page.ts";
import type { Webhooks } from "../../webhooks/webhook.ts";
import type { Answer, Keepable } from "../answer.ts";
import { type Cursors, pageByAge } from "../paging.ts";
import type { Admission } from "../permission.ts";
import { type AuditDecision, type Route, route, type RouteFacts } from "../route.ts";
import { idParams, pageQuery, reason } from "../schemas.ts";

/** What the routes work with, from `app.ts`. */
export type Parts = Readonly<{
  custody: Custody;
  webhooks: Webhooks;
  cursors: Cursors;
  /** The addresses from which a venue is called. */
  egressAddresses: (venue: string) => readonly string[];
  /** Drops the cached rights of a member in this process. */
  forget: (memberId: string) => void;
  /** Whether all of the service works, or a part. Throws `not_ready` if nothing works. */
  ready: () => Promise<"ok" | "degraded">;
}>;

/** What a route of a kind leaves open. */
type Open<C extends Member | Operator, A> = Pick<
  RouteFacts,
  "path" | "operationId" | "tag" | "summary" | "description"
> &
  Readonly<{ permission: Admission<C>; answer: A; audit?: AuditDecision }>;

/** What routes that read metadata have in common. */
export const reads = {
  effect: "reads",
  method: "GET",
  audit: { none: "it reads metadata that the caller may see; a refusal is recorded as access.refused" },
  problems: [],
  idempotency: "none",
} as const;

/** A list, newest first, without a filter. `list` names it, so that a cursor of another list is refused. */
export function listRoute<C extends Member | Operator, T>(
  cursors: Cursors,
  {
    list,
    read,
    ...open
  }: Open<C, Answer<Awaited<ReturnType<typeof pageByAge<T>>>>> &
    Readonly<{ list: string; read(caller: C, page: PageRequest): Promise<Page<T>> }>,
): Route {
  return route({
    ...reads,
    ...open,
    input: z.object({ query: pageQuery }),
    handle: ({ caller, input: { query } }) => {
      const tenantId = caller.kind === "member" ? caller.tenantId : null;
      return pageByAge(cursors, { tenantId, list }, query, (page) => read(caller, page));
    },
  });
}

/** One thing by its id. */
export function showRoute<C extends Member | Operator, T>({
  show,
  ...open
}: Open<C, Answer<T>> & Readonly<{ show(caller: C, id: string): Promise<T> }>): Route {
  return route({
    ...reads,
    ...open,
    input: z.object({ params: idParams }),
    handle: ({ caller, input: { params } }) => show(caller, params.id),
  });
}

/** The description of unfreezing. */
export const liftsFreezes =
  "Lifts the freezes of your own rank and of lower ranks. The response shows the freezes that remain, which still block every use. If you cannot lift any of them, the response is `forbidden`.";

/** The two routes by which a thing with an id is frozen and unfrozen. */
export function freezeRoutes<C extends Member | Operator, T extends object>({
  path,
  name,
  tag,
  permission,
  answer,
  ...each
}: Pick<Open<C, Keepable<T>>, "path" | "tag" | "permission" | "answer"> &
  Readonly<{
    /** The end of both names of operations: `Account` of `freezeAccount`. */
    name: string;
    summary: Readonly<{ freeze: string; unfreeze: string }>;
    description: Readonly<{ freeze: string; unfreeze: string }>;
    audit: Readonly<{ freeze: AuditDecision; unfreeze: AuditDecision }>;
    freeze(caller: C, id: string, reason: string | null): Promise<Answered<T>>;
    unfreeze(caller: C, id: string): Promise<Answered<T>>;
  }>): readonly [Route, Route] {
  const both = { effect: "changes", method: "POST", problems: [], idempotency: "kept" } as const;
  const { summary, description, audit } = each;
  return [
    route({
      ...both,
      path: `${path}/freeze`,
      operationId: `freeze${name}`,
      tag,
      summary: summary.freeze,
      description: description.freeze,
      permission,
      audit: audit.freeze,
      input: z.object({ params: idParams, body: reason.optional() }),
      answer,
      handle: ({ caller, input: { params, body } }) => each.freeze(caller, params.id, body?.reason ?? null),
    }),
    route({
      ...both,
      path: `${path}/unfreeze`,
      operationId: `unfreeze${name}`,
      tag,
      summary: summary.unfreeze,
      description: description.unfreeze,
      permission,
      audit: audit.unfreeze,
      input: z.object({ params: idParams }),
      answer,
      handle: ({ caller, input: { params } }) => each.unfreeze(caller, params.id),
    }),
  ];
}
