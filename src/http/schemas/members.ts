import { z } from "zod";
import type { Role } from "../../access/permissions.ts";
import { component, listOf } from "../components.ts";
import { id, revision, switchedOffRank, text, time } from "./common.ts";

const role = z
  .enum(["owner", "admin", "trader", "viewer", "auditor"])
  .meta({ description: "Caps the scopes of the member's tokens and keys" }) satisfies z.ZodType<Role>;
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

export const member = component(
  "Member",
  z.object({
    id,
    issuer: z.string(),
    subject: z.string(),
    role,
    status,
    suspended_rank: switchedOffRank.meta({
      description: "The rank that has suspended it, which lets it in again; null while it is active",
    }),
    revision,
    created_at: time,
    updated_at: time,
  }),
  memberExample,
);

export const memberList = listOf("MemberList", member, memberExample);

export const newMember = component(
  "NewMember",
  z.strictObject({ issuer: text(255), subject: text(255), role }),
  { issuer: "urn:keyhold:local", subject: "bob", role: "trader" },
);

export const memberUpdate = component(
  "MemberUpdate",
  z.strictObject({ role: role.exactOptional(), status: status.exactOptional() }),
  { status: "suspended" },
);
