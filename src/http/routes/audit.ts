import { z } from "zod";
import type { Member } from "../../access/principal.ts";
import { eventNames, isEventName } from "../../audit/events.ts";
import { exportChain } from "../../audit/export.ts";
import type { EventFilter } from "../../audit/scan.ts";
import { nameActors, readEvents } from "../../audit/search.ts";
import type { Custody } from "../../credentials/custody.ts";
import { nearNames } from "../../near-names.ts";
import { json, lines } from "../answer.ts";
import { pageByNumber } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, id, listOf, pageQuery, text, time, timeInput } from "../schemas.ts";
import { reads, type Parts } from "./kinds.ts";

const event = z.object({
  seq: z.int().meta({ description: "Numbers the tenant's events from 1, without gaps" }),
  at: time,
  event: z.string(),
  outcome: z.string(),
  detail: z
    .record(z.string(), z.unknown())
    .meta({ description: "Who did what, and from where. Never contains a secret" }),
});

const eventExample = {
  seq: 42,
  at: "2026-11-20T09:00:00.000001Z",
  event: "credential.revealed",
  outcome: "ok",
  detail: {
    actor: { kind: "member", member_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2" },
    credential_id: "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33",
    reason: "Moving to another platform, ticket 4711",
    version: 2,
  },
};

const eventList = listOf(
  "AuditEventList",
  event.extend({
    actor_subject: z
      .string()
      .nullable()
      .meta({ description: "The subject of the member or operator who acted" }),
    actor_api_key: z.string().nullable().meta({ description: "The name of the API key that was used" }),
  }),
  { ...eventExample, actor_subject: "alice", actor_api_key: null },
);

const eventFilter = {
  credential_id: id.exactOptional(),
  event: z
    .string()
    .superRefine((name, context) => {
      if (isEventName(name)) return;
      const near = nearNames(name, eventNames);
      context.addIssue(
        `is not the name of an event${near.length === 0 ? "" : `; near it are ${near.join(", ")}`}`,
      );
    })
    .exactOptional()
    .meta({ enum: [...eventNames] }),
  outcome: text(255).exactOptional().meta({ description: "For example `ok`, or the reason for a refusal" }),
  actor: text(255).exactOptional().meta({
    description: "The id of a member, the subject of an operator, or the name of a task of the service",
  }),
  api_key_id: id.exactOptional().meta({ description: "The API key that a member used" }),
  issuer: text(255).exactOptional().meta({ description: "The issuer of an operator's token" }),
  since: timeInput.exactOptional(),
  until: timeInput.exactOptional(),
};

/**
 * One line of an export: an event as it was hashed, the link that closes the preceding events, or the head at
 * the end.
 */
const exportLine = component(
  "AuditExportLine",
  z.union([
    event,
    z.object({ count: z.int(), hash: z.string(), link: z.int(), previous: z.string(), tenant: id }),
    z.object({ head: z.object({ at: time, hash: z.string(), link: z.int(), seq: z.int(), tenant: id }) }),
  ]),
  eventExample,
);

export function auditRoutes(parts: Parts): readonly Route[] {
  return [events, whole].map((define) => define(parts));
}

function events({ custody, cursors }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/audit/events",
    operationId: "listAuditEvents",
    tag: "audit",
    summary: "List audit events",
    description:
      "Newest first. Filters are combined with AND. A page examines a limited number of events, so it may contain fewer than `limit`, or none, although there are more: continue until `next_cursor` is null.",
    permission: holdersOf("audit:read"),
    audit: { none: "reading the record does not change it" },
    input: z.object({ query: pageQuery.extend(eventFilter) }),
    answer: json(200, "A page of events", eventList),
    handle: ({ caller, input: { query } }) => {
      const {
        limit: _limit,
        cursor: _cursor,
        credential_id: credentialId,
        api_key_id: apiKeyId,
        ...rest
      } = query;
      const filter = {
        ...rest,
        ...(credentialId === undefined ? {} : { credentialId }),
        ...(apiKeyId === undefined ? {} : { apiKeyId }),
      };
      return pageByNumber(cursors, { tenantId: caller.tenantId, list: "audit" }, query, (page) =>
        readNamed(custody, caller, filter, page),
      );
    },
  });
}

function whole({ custody }: Parts): Route {
  return route({
    ...reads,
    path: "/api/v1/audit/export",
    operationId: "exportAudit",
    tag: "audit",
    summary: "Export the audit record",
    description:
      "The whole record for verification elsewhere, as one JSON object per line, exactly as it was hashed. The last line is the head of the chain. `keyhold audit verify` reads this format.",
    permission: holdersOf("audit:read"),
    audit: { none: "reading the record does not change it" },
    input: z.object({}),
    answer: lines("The hash chain, oldest event first", "application/x-ndjson", exportLine),
    handle: ({ caller }) => Promise.resolve(exportChain(custody.reports, caller)),
  });
}

async function readNamed(
  { reports }: Pick<Custody, "reports">,
  caller: Member,
  filter: EventFilter,
  page: Parameters<typeof readEvents>[3],
) {
  const { items, next } = await readEvents(reports, caller, filter, page);
  return { items: await nameActors(reports, caller, items), next };
}
