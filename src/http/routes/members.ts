import { z } from "zod";
import type { Role } from "../../access/permissions.ts";
import { addMember, listMembers, showMember, updateMember } from "../../tenants/member.ts";
import { json } from "../answer.ts";
import { holdersOf } from "../permission.ts";
import { type Route, route } from "../route.ts";
import {
  component,
  id,
  idParams,
  ifMatch,
  listOf,
  revision,
  switchedOffRank,
  text,
  time,
} from "../schemas.ts";
import { listRoute, showRoute, type Parts } from "./kinds.ts";

const role = z
  .enum(["owner", "admin", "trader", "viewer", "auditor"])
  .meta({ description: "Limits the scopes of the member's tokens and API keys" }) satisfies z.ZodType<Role>;
const status = z.enum(["active", "suspended"]);

const memberExample = {
  id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
  issuer: "urn:keyhold:local",
  subject: "alice",
  role: "owner" as const,
  status: "active" as const,
  suspended_rank: null,
  revision: 1,
  created_at: "2026-11-20T09:00:00.000Z",
  updated_at: "2026-11-20T09:00:00.000Z",
};

const member = component(
  "Member",
  z.object({
    id,
    issuer: z.string(),
    subject: z.string(),
    role,
    status,
    suspended_rank: switchedOffRank.meta({
      description:
        "The rank of the caller who suspended the member. Only this rank or a higher one can reactivate it; null while active",
    }),
    revision,
    created_at: time,
    updated_at: time,
  }),
  memberExample,
);

const memberList = listOf("MemberList", member, memberExample);

const newMember = component("NewMember", z.strictObject({ issuer: text(255), subject: text(255), role }), {
  issuer: "urn:keyhold:local",
  subject: "bob",
  role: "trader",
});

const memberUpdate = component(
  "MemberUpdate",
  z.strictObject({ role: role.exactOptional(), status: status.exactOptional() }),
  { status: "suspended" },
);

export function memberRoutes(parts: Parts): readonly Route[] {
  return [add, list, show, update].map((define) => define(parts));
}

function add({ custody }: Parts): Route {
  return route({
    effect: "changes",
    method: "POST",
    path: "/api/v1/members",
    operationId: "addMember",
    tag: "members",
    summary: "Add a member",
    permission: holdersOf("members:write"),
    audit: ["member.added"],
    problems: ["duplicate"],
    idempotency: "kept",
    input: z.object({ body: newMember }),
    answer: json(201, "The member", member, { location: ({ id }) => `/api/v1/members/${id}` }),
    handle: ({ caller, input: { body } }) => addMember(custody.db, caller, body),
  });
}

function list({ custody, cursors }: Parts): Route {
  return listRoute(cursors, {
    list: "members",
    path: "/api/v1/members",
    operationId: "listMembers",
    tag: "members",
    summary: "List members",
    permission: holdersOf("members:read"),
    answer: json(200, "A page of members", memberList),
    read: (caller, page) => listMembers(custody.db, caller, page),
  });
}

function show({ custody }: Parts): Route {
  return showRoute({
    path: "/api/v1/members/:id",
    operationId: "showMember",
    tag: "members",
    summary: "Show a member",
    permission: holdersOf("members:read"),
    answer: json(200, "The member", member),
    show: (caller, id) => showMember(custody.db, caller, id),
  });
}

function update({ custody, forget }: Parts): Route {
  return route({
    effect: "changes",
    method: "PATCH",
    path: "/api/v1/members/:id",
    operationId: "updateMember",
    tag: "members",
    summary: "Update a member",
    description:
      "Changes the member's role, suspends it or reactivates it. The change takes effect immediately for secrets and changes, and within two seconds for reads. Only the rank that suspended a member, or a higher one, can reactivate it.",
    permission: holdersOf("members:write"),
    audit: ["member.updated"],
    problems: ["illegal_state"],
    idempotency: "kept",
    input: z.object({ params: idParams, ifMatch, body: memberUpdate }),
    answer: json(200, "The updated member", member),
    async handle({ caller, input: { params, ifMatch: revision, body } }) {
      const updated = await updateMember(custody.db, caller, params.id, body, revision);
      forget(params.id);
      return updated;
    },
  });
}
