import { z } from "zod";
import { type ErrorCode, errors } from "../errors.ts";
import { components, type Examples } from "./components.ts";
import { exampleOf, problemSchema, problemType } from "./problems.ts";
import type { Route } from "./route.ts";

export type JsonObject = Record<string, unknown>;

/** One operation of the document. */
export function describeOperation(route: Route): JsonObject {
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

function examplesOf(codes: readonly ErrorCode[]): Examples {
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
