import { z } from "zod";
import { notNarrowed } from "../../access/narrowing.ts";
import { operatorScope } from "../../access/permissions.ts";
import { json } from "../answer.ts";
import { anyCaller, withoutToken } from "../permission.ts";
import { type Route, route } from "../route.ts";
import { component, id } from "../schemas.ts";
import { reads, type Parts } from "./kinds.ts";

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
      .meta({ description: "The scopes of the token or API key that the member's role allows" }),
    agent: z.boolean(),
    api_key_id: id.nullable(),
    narrowed_to: z
      .object({
        credentials: z.array(z.string()).nullable(),
        accounts: z.array(z.string()).nullable(),
        networks: z.array(z.string()).nullable(),
      })
      .meta({ description: "Limits of the token or API key; null means unlimited" }),
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

/** The state of the service, and who the caller is. */
export function serviceRoutes(parts: Parts): readonly Route[] {
  return [live, ready, whoAmI].map((define) => define(parts));
}

function live(): Route {
  return route({
    ...reads,
    path: "/health/live",
    operationId: "isLive",
    tag: "service",
    summary: "Check liveness",
    permission: withoutToken,
    audit: { none: "its answer contains no data of a tenant" },
    input: z.object({}),
    answer: json(200, "The process is running", health),
    handle: () => Promise.resolve({ status: "ok" }),
  });
}

function ready(parts: Parts): Route {
  return route({
    ...reads,
    path: "/health/ready",
    operationId: "isReady",
    tag: "service",
    summary: "Check readiness",
    permission: withoutToken,
    audit: { none: "its answer contains no data of a tenant" },
    input: z.object({}),
    answer: json(
      200,
      "The service is ready; `degraded` while the secret store is unreachable or refuses Keyhold",
      readiness,
    ),
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
    summary: "Show the caller",
    permission: anyCaller,
    audit: { none: "it shows the caller its own rights" },
    input: z.object({}),
    answer: json(200, "The identity and rights of the token or API key", me),
    handle: ({ caller }) => {
      const noMember = {
        tenant_id: null,
        member_id: null,
        role: null,
        agent: false,
        api_key_id: null,
        narrowed_to: notNarrowed,
      };
      if (caller.kind === "operator")
        return Promise.resolve({ ...noMember, kind: caller.kind, scopes: [operatorScope] });
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
