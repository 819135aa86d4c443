import { z } from "zod";
import { notNarrowed } from "../../access/narrowing.ts";
import { operatorScope } from "../../access/permissions.ts";
import { json } from "../answer.ts";
import { component } from "../components.ts";
import { anyCaller, everybody } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { id } from "../schemas.ts";
import { reads } from "./kinds.ts";
import type { Parts } from "./parts.ts";

const health = component("Health", z.object({ status: z.literal("ok") }), { status: "ok" });
const readiness = component("Readiness", z.object({ status: z.enum(["ok", "degraded"]) }), {
  status: "ok",
});

const me = component(
  "Me",
  z.object({
    kind: z.enum(["member", "operator"]),
    tenant_id: id.nullable(),
    member_id: id.nullable(),
    role: z.string().nullable(),
    scopes: z
      .array(z.string())
      .meta({ description: "What is left of the token's scopes under the member's role" }),
    agent: z.boolean(),
    api_key_id: id.nullable(),
    narrowed_to: z
      .object({
        credentials: z.array(z.string()).nullable(),
        accounts: z.array(z.string()).nullable(),
        networks: z.array(z.string()).nullable(),
      })
      .meta({ description: "What the token or key reaches, and from where; null is not narrowed" }),
  }),
  {
    kind: "member",
    tenant_id: "2f0b8b0e-6a55-4a5e-9d0c-5b8e2f5f3b11",
    member_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
    role: "trader",
    scopes: ["credentials:read", "credentials:use"],
    agent: false,
    api_key_id: null,
    narrowed_to: { credentials: null, accounts: null, networks: ["10.20.0.0/16"] },
  },
);

/** What the service tells of itself, and of who is asking. */
export function serviceRoutes(parts: Parts): readonly Route[] {
  return [live, ready, whoAmI].map((define) => define(parts));
}

function live(): Route {
  return route({
    ...reads,
    path: "/health/live",
    operationId: "isLive",
    tag: "service",
    summary: "Whether the process answers",
    permission: everybody,
    audit: { none: "it tells nothing of anybody" },
    input: z.object({}),
    answer: json(200, "It does", health),
    handle: () => Promise.resolve({ status: "ok" }),
  });
}

function ready(parts: Parts): Route {
  return route({
    ...reads,
    path: "/health/ready",
    operationId: "isReady",
    tag: "service",
    summary: "Whether the service can do its work",
    permission: everybody,
    audit: { none: "it tells nothing of anybody" },
    input: z.object({}),
    answer: json(200, "It can; `degraded` while the secret store is away or refuses Keyhold", readiness),
    async handle() {
      return { status: await parts.ready() };
    },
  });
}

function whoAmI(): Route {
  return route({
    ...reads,
    path: "/api/v1/me",
    operationId: "whoAmI",
    tag: "service",
    summary: "Who your token speaks for, and what it may do",
    permission: anyCaller,
    audit: { none: "it tells the caller what its own token says" },
    input: z.object({}),
    answer: json(200, "You", me),
    handle: ({ caller }) => {
      const nobody = {
        tenant_id: null,
        member_id: null,
        role: null,
        agent: false,
        api_key_id: null,
        narrowed_to: notNarrowed,
      };
      if (caller.kind === "operator")
        return Promise.resolve({ ...nobody, kind: caller.kind, scopes: [operatorScope] });
      return Promise.resolve({
        kind: caller.kind,
        tenant_id: caller.tenantId,
        member_id: caller.memberId,
        role: caller.role,
        scopes: [...caller.scopes],
        agent: caller.agent,
        api_key_id: caller.apiKeyId,
        narrowed_to: caller.narrowing,
      });
    },
  });
}
