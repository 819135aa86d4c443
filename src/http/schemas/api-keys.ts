import { z } from "zod";
import { scopes } from "../../access/permissions.ts";
import { component, listOf } from "../components.ts";
import { id, text, time, timeInput } from "./common.ts";

const apiKeyExample = {
  id: "e1c9a7a0-3a4e-4b5f-9a39-6f1d2c3b4a55",
  member_id: "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2",
  name: "nightly report",
  prefix: "kh_4rT9xQ2",
  scopes: ["credentials:read"],
  agent: false,
  expires_at: "2027-01-01T00:00:00.000Z",
  revoked_at: null,
  created_at: "2026-11-20T09:00:00.000Z",
};

const fields = {
  id,
  member_id: id,
  name: z.string(),
  prefix: z.string().meta({ description: "The first characters, to recognise the key by" }),
  scopes: z.array(z.string()),
  agent: z.boolean(),
  expires_at: time.nullable(),
  revoked_at: time.nullable(),
  created_at: time,
};

export const apiKey = component("ApiKey", z.object(fields), apiKeyExample);

export const apiKeyList = listOf("ApiKeyList", apiKey, apiKeyExample);

export const newApiKey = component(
  "NewApiKey",
  z.strictObject({
    name: text(64),
    scopes: z.array(z.enum(scopes)).min(1).max(scopes.length),
    agent: z
      .boolean()
      .exactOptional()
      .meta({ description: "An agent reveals no secret and widens nobody's rights, whatever its scopes" }),
    expires_at: timeInput.nullable().exactOptional(),
  }),
  { name: "nightly report", scopes: ["credentials:read"], expires_at: "2027-01-01T00:00:00Z" },
);

export const createdApiKey = component(
  "CreatedApiKey",
  z.object({
    ...fields,
    key: z
      .string()
      .nullable()
      .meta({ description: "The key itself, shown this once; null when the answer is given again" }),
  }),
  { ...apiKeyExample, key: null },
);
