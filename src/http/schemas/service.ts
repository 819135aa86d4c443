import { z } from "zod";
import { component } from "../components.ts";
import { id } from "./common.ts";

export const health = component("Health", z.object({ status: z.literal("ok") }), { status: "ok" });
export const readiness = component("Readiness", z.object({ status: z.enum(["ok", "degraded"]) }), {
  status: "ok",
});

export const me = component(
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
