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

const description = `Keyhold stores API credentials for trading venues. It checks each credential with the venue before it stores it,
keeps it encrypted, and uses it on behalf of callers, who never need to see it.

Authenticate with \`Authorization: Bearer\` and a JSON Web Token of a configured issuer, or an API key, which determines the tenant and
the scopes.
Lists are \`{items, next_cursor, count}\`, newest first. Errors are problem documents (RFC 9457) with a stable \`code\`. A resource's
\`ETag\` is its revision; updates need it in \`If-Match\`. Writes honour an \`Idempotency-Key\`.`;

const tags: Readonly<Record<string, string>> = {
  credentials: "Register, validate, use, rotate, freeze and revoke credentials",
  accounts: "Trading accounts of members. Every credential belongs to an account",
  venues: "Trading venues at which credentials are used",
  members: "Members of the tenant and their roles",
  "api-keys": "Keys for programs that cannot obtain tokens",
  tenant: "The caller's own tenant",
  webhooks: "URLs that receive events of the tenant, and the deliveries to them",
  audit: "The tamper-evident record of every access and change",
  tenants: "For the operator: tenants as a whole, and nothing inside them",
  service: "The state of the service, and who the caller is",
};

/**
 * The OpenAPI 3.1 document of a table of routes. It is generated from what the routes enforce, so the two
 * cannot differ.
 */
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
    servers: [{ url: "/", description: "The service that serves this document" }],
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

/** A named format is enough: the regular expression behind it would be noise. */
function tidy(schema: { format?: string | undefined; pattern?: string | undefined }): void {
  if (schema.format !== undefined) delete schema.pattern;
}
