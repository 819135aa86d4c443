import { z } from "zod";
import type { Member } from "../../access/principal.ts";
import type { Custody } from "../../credentials/custody.ts";
import { json, lines } from "../answer.ts";
import { pageByNumber } from "../paging.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { eventFilter, eventList, exportLine } from "../schemas/audit.ts";
import { pageQuery } from "../schemas/common.ts";
import type { Parts } from "./parts.ts";
import type { EventFilter } from "../../audit/scan.ts";
import { exportChain } from "../../audit/export.ts";
import { nameActors, readEvents } from "../../audit/search.ts";

type Needs = Pick<Parts, "custody" | "cursors">;

export function auditRoutes(parts: Needs): readonly Route[] {
  return [events, whole].map((define) => define(parts));
}

function events({ custody, cursors }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/audit/events",
    operationId: "listAuditEvents",
    tag: "audit",
    summary: "List events of the record",
    description:
      "Newest first; every filter must hold. A page looks at a bounded number of events: it may hold fewer than `limit`, or none, while `next_cursor` goes on. At the end `next_cursor` is null.",
    permission: holdersOf("audit:read"),
    audit: { none: "reading the record does not change what it tells" },
    problems: [],
    idempotency: "none",
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

function whole({ custody }: Needs): Route {
  return route({
    effect: "reads",
    method: "GET",
    path: "/api/v1/audit/export",
    operationId: "exportAudit",
    tag: "audit",
    summary: "Export the whole record, to be verified elsewhere",
    description:
      "One JSON object a line, exactly as it was hashed, and at the end the head: `keyhold audit verify` reads it.",
    permission: holdersOf("audit:read"),
    audit: { none: "reading the record does not change what it tells" },
    problems: [],
    idempotency: "none",
    input: z.object({}),
    answer: lines("The chain, oldest first", "application/x-ndjson", exportLine),
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
