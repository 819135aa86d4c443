import { z } from "zod";
import { components } from "./components.ts";
import { describeOperation, type JsonObject } from "./openapi-operation.ts";
import type { Route } from "./route.ts";
import { describeInvocation } from "./routes/invoke.ts";

export type OpenApiDocument = Readonly<{
  openapi: string;
  info: Readonly<{
    title: string;
    version: string;
    description: string;
    license: Readonly<{ name: string; identifier: string }>;
  }>;
  servers: Readonly<{ url: string; description: string }>[];
  security: Record<string, string[]>[];
  tags: { name: string; description: string }[];
  paths: Record<string, object>;
  components: object;
}>;

const description = `Keeps the API credentials of trading venues: proves that they work before it keeps them, keeps them sealed, and
uses them on behalf of its callers without letting them go.

Send \`Authorization: Bearer\` with a JSON Web Token of a configured issuer, or with an API key. Tenant and scopes come from it alone.
Lists are \`{items, next_cursor, count}\`, newest first. Errors are problem documents (RFC 9457) with a stable \`code\`. A resource's
\`ETag\` is its revision; updates need it in \`If-Match\`. Writes honour an \`Idempotency-Key\`.`;

const tags: Readonly<Record<string, string>> = {
  credentials: "The life of a credential: register, validate, use, replace, freeze, revoke",
  accounts: "What a member trades with; credentials belong to accounts",
  venues: "Where credentials are used",
  members: "Who belongs to the tenant, and as what",
  "api-keys": "Keys for programs that cannot fetch tokens",
  tenant: "The caller's own tenant",
  webhooks: "Where events of the tenant are told, what was sent there and what came of it",
  audit: "The record of every touch",
  tenants: "The operator's part: tenants as a whole, nothing inside them",
  service: "The service itself",
};

/** The OpenAPI 3.1 document of a table of routes: made from what the routes check and enforce, so the two cannot differ. */
export function describeApi(routes: readonly Route[]): OpenApiDocument {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeOperation(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Keyhold",
      version: "1",
      description,
      license: { name: "Apache 2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The service that this document was read from" }],
    security: [{ bearer: [] }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "A JSON Web Token of a configured issuer, or an API key (`kh_…`).",
        },
      },
      schemas: {
        ...describeComponents(),
        Invocation: describeInvocation(),
      },
    },
  };
}

function describeComponents(): JsonObject {
  const { schemas } = z.toJSONSchema(components, {
    io: "input",
    target: "draft-2020-12",
    uri: (id) => `#/components/schemas/${id}`,
    override: ({ jsonSchema }) => tidy(jsonSchema),
  });
  return Object.fromEntries(
    Object.entries(schemas)
      .map(([id, { $id: _id, $schema: _schema, ...schema }]) => [id, schema] as const)
      .toSorted(([one], [other]) => (one < other ? -1 : 1)),
  );
}

/** A named format says it; the regular expression behind it would only be noise. */
function tidy(schema: { format?: string | undefined; pattern?: string | undefined }): void {
  if (schema.format !== undefined) delete schema.pattern;
}
