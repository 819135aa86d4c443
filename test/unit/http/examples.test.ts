import { expect, it } from "vitest";
import type { z } from "zod";
import { components } from "../../../src/http/components.ts";
import * as accounts from "../../../src/http/schemas/accounts.ts";
import * as apiKeys from "../../../src/http/schemas/api-keys.ts";
import * as audit from "../../../src/http/schemas/audit.ts";
import * as common from "../../../src/http/schemas/common.ts";
import * as credentials from "../../../src/http/schemas/credentials.ts";
import * as members from "../../../src/http/schemas/members.ts";
import * as service from "../../../src/http/schemas/service.ts";
import * as tenants from "../../../src/http/schemas/tenants.ts";
import * as uses from "../../../src/http/schemas/uses.ts";
import * as venues from "../../../src/http/schemas/venues.ts";
import * as webhooks from "../../../src/http/schemas/webhooks.ts";

const modules = [
  accounts,
  apiKeys,
  audit,
  common,
  credentials,
  members,
  service,
  tenants,
  uses,
  venues,
  webhooks,
];

const named = modules
  .flatMap((module) => Object.values(module))
  .filter((value): value is z.ZodType => typeof value === "object" && "safeParse" in value)
  .flatMap((schema) => {
    const known = components.get(schema);
    return known === undefined ? [] : [{ id: known.id, example: known.example, schema }];
  });

it.each(named)("the example of $id is one that the API would accept or give", ({ example, schema }) => {
  expect(schema.safeParse(example).error?.issues).toBeUndefined();
});

it("every component is among them", () => {
  expect(named.length).toBeGreaterThan(25);
});
