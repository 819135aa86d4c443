import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { z } from "zod";
import { type ErrorCode, errors } from "../errors.ts";
import { exampleOf, problemSchema, problemType } from "./problems.ts";
import type { Route } from "./route.ts";
import { describeInvocation } from "./routes/invoke.ts";
import { components } from "./schemas.ts";

type JsonObject = Record<string, unknown>;

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

/** One operation of the document. */
function describeOperation(route: Route): JsonObject {
  const { operationId, summary, description, tag, admission, audit } = route;
  const body = describeBody(route);
  return {
    operationId,
    summary,
    description: [...(description === undefined ? [] : [description]), rightsOf(route), recordOf(route)].join(
      " ",
    ),
    tags: [tag],
    ...(admission.permission === "public" ? { security: [] } : {}),
    parameters: [
      ...describePart(route, "params", "path"),
      ...describePart(route, "query", "query"),
      ...describeHeaders(route),
    ],
    ...(body === null ? {} : { requestBody: body }),
    responses: { ...describeAnswer(route), ...describeProblems(route) },
    "x-keyhold-permission": admission.permission,
    "x-keyhold-audit": audit,
  };
}

function rightsOf({ admission: { permission }, effect }: Route): string {
  if (permission === "public") return "Requires no token.";
  if (permission === "authenticated") return "Requires any valid token or API key.";
  if (permission === "platform") return "Requires the operator.";
  return `Requires the scope \`${permission}\`.${effect === "changes" ? " Agents cannot call it." : ""}`;
}

function recordOf({ audit }: Route): string {
  if (!Array.isArray(audit)) return "Writes no audit event.";
  return `Audit events: ${audit.map((name) => `\`${name}\``).join(", ")}.`;
}

/** Each member of an object of parameters as a parameter. */
function describePart({ input }: Route, part: "params" | "query", where: "path" | "query"): JsonObject[] {
  const schema: unknown = input.shape[part];
  if (!(schema instanceof z.ZodObject)) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: "input" });
  return Object.entries(properties).map(([name, property]) => {
    const { description, pattern, ...rest } = typeof property === "boolean" ? {} : property;
    const isText = rest.format === undefined && rest.type !== "integer";
    const shown = isText && pattern !== undefined ? { ...rest, pattern } : rest;
    return {
      name,
      in: where,
      required: required.includes(name),
      ...(description === undefined ? {} : { description }),
      schema: shown,
    };
  });
}

function describeHeaders({ input, idempotency }: Route): JsonObject[] {
  const ifMatch = {
    name: "If-Match",
    in: "header",
    required: true,
    description: "The ETag of the version that you read",
    schema: { type: "string", pattern: '^"[0-9]{1,15}"$', examples: ['"7"'] },
  };
  const key = {
    name: "Idempotency-Key",
    in: "header",
    required: false,
    description:
      idempotency === "kept"
        ? "Repeating a request with the same key returns the first response for 24 hours and does nothing else. A secret in it is not shown again"
        : "Required for every operation except a read. Such an operation is sent once, however often you repeat the request",
    schema: { type: "string", minLength: 1, maxLength: 255, pattern: "^[\\x21-\\x7e]+$" },
  };
  const honoursKey = idempotency === "kept" || idempotency === "passed";
  return [...("ifMatch" in input.shape ? [ifMatch] : []), ...(honoursKey ? [key] : [])];
}

function describeBody({ input }: Route): JsonObject | null {
  const declared: unknown = input.shape["body"];
  if (!(declared instanceof z.ZodType)) return null;
  const optional = declared instanceof z.ZodOptional;
  return {
    required: !optional,
    content: { "application/json": describeContent(optional ? declared.unwrap() : declared) },
  };
}

function describeAnswer({ answer }: Route): JsonObject {
  const { status, description, content } = answer;
  return {
    [status]: {
      description,
      ...(content === null ? {} : { content: { [content.type]: describeContent(content.schema) } }),
    },
  };
}

/** Every body is a component with an example. */
function describeContent(schema: z.core.$ZodType): JsonObject {
  const { example, examples } = known(schema);
  return { schema: refTo(schema), ...(examples === undefined ? { example } : { examples }) };
}

function refTo(schema: z.core.$ZodType): JsonObject {
  return { $ref: `#/components/schemas/${known(schema).id}` };
}

function known(schema: z.core.$ZodType) {
  const component = components.get(schema);
  if (component === undefined) throw new Error("a body of the API is not among its components");
  return component;
}

/** The possible errors by status. */
function describeProblems(route: Route): JsonObject {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of problemsOf(route)) {
    const { status } = errors[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${errors[code].title}.`).join(" "),
        content: {
          [problemType]: { schema: refTo(problemSchema), examples: examplesOf(codes) },
        },
      },
    ]),
  );
}

function examplesOf(codes: readonly ErrorCode[]) {
  return Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code) }]));
}

/** The errors that follow from the parts of a request, and the route's own. */
function problemsOf(route: Route): Set<ErrorCode> {
  const { shape } = route.input;
  const has = (part: string): boolean => part in shape;
  return new Set<ErrorCode>([
    ...(Object.keys(shape).length === 0 && route.idempotency === "none" ? [] : (["malformed"] as const)),
    ...(route.admission.permission === "public"
      ? []
      : (["unauthenticated", "forbidden", "rate_limited", "rights_unproven"] as const)),
    ...(has("params") ? (["not_found"] as const) : []),
    ...(has("body") ? (["request_timeout", "too_large", "unsupported_media_type"] as const) : []),
    ...(has("ifMatch") ? (["precondition_required", "stale"] as const) : []),
    ...(route.idempotency === "kept" ? (["idempotency_in_flight", "idempotency_mismatch"] as const) : []),
    ...route.problems,
    "internal",
    "not_ready",
  ]);
}

/** The page loads nothing from other hosts and runs only its own scripts. It sets inline styles. */
const contentSecurityPolicy = {
  "default-src": ["'none'"],
  "script-src": ["'self'"],
  "style-src": ["'self'", "'unsafe-inline'"],
  "img-src": ["'self'", "data:"],
  "connect-src": ["'self'"],
  "base-uri": ["'none'"],
  "form-action": ["'none'"],
  "frame-ancestors": ["'none'"],
};

/** Serves `/openapi.json`, and the page `/docs` that shows it. */
export async function serveDocs(app: FastifyInstance, routes: readonly Route[]): Promise<void> {
  const document = describeApi(routes);
  const text = JSON.stringify(document);
  app.get("/openapi.json", (_, reply) =>
    reply.header("content-type", "application/json; charset=utf-8").send(text),
  );
  await app.register(swagger, { mode: "static", specification: { document } });
  await app.register(swaggerUi, {
    routePrefix: "/docs",
    staticCSP: contentSecurityPolicy,
    // The page would send the document to a validator on another host.
    uiConfig: { validatorUrl: null, persistAuthorization: false },
  });
}
