import { createHash, randomUUID } from "node:crypto";
import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { principalName } from "../access/principal.ts";
import { LimitExceeded } from "../access/rate-limits.ts";
import { explainFailure } from "../access/unauthenticated.ts";
import type { Config } from "../config/config.ts";
import { KeyholdError } from "../errors.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { type Reply, securityHeaders, sendReply } from "./answer.ts";
import { afterRefusal, type DoorKeeping, identify, showLimit } from "./auth.ts";
import { boundConnections, refuseConnection } from "./connections.ts";
import { idempotencyKeyOf, type IdempotencyKeys, runOnce } from "./idempotency.ts";
import { parseJson } from "./json-body.ts";
import { serveDocs } from "./openapi.ts";
import type { Caller } from "./permission.ts";
import { describeProblem, problemType, publicError } from "./problems.ts";
import type { Route } from "./route.ts";

type ServerParts = DoorKeeping &
  Readonly<{
    idempotency: Pick<IdempotencyKeys, "once">;
    http: Pick<Config["http"], "bodyLimitBytes" | "trustedProxies" | "connections">;
    metrics: Pick<Metrics, "authenticationFailures" | "rateLimitRefusals" | "httpRequests" | "httpSeconds">;
    log: Log;
  }>;

/** What the stages before the handler have found out about a request. */
type Notes = { readonly route: Route; readonly caller: Caller; bodyDigest: Uint8Array };

/** The name of the decorator that holds them. */
const noted = "notes";

/** Why a caller was not authenticated: for the log alone. */
const unknownCaller = "unknownCaller";

function notesOf(request: FastifyRequest): Notes | null {
  return request.getDecorator<Notes | null>(noted);
}

/**
 * The API, which serves a table of routes. Call `listen` on what it returns. A request passes through these
 * stages, and each can end it with a problem document:
 *
 *     headers (10 s) → identify: 401, 429, 403 → body: 413, 415, 400 → prepare: 400, 412, 428 → Idempotency-Key: 409, 422 → verb
 */
export async function createServer(parts: ServerParts, routes: readonly Route[]): Promise<FastifyInstance> {
  const app = fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: parts.http.bodyLimitBytes,
    trustProxy: parts.http.trustedProxies === false ? false : [...parts.http.trustedProxies],
    exposeHeadRoutes: false,
    // Requests that arrive while the service stops are answered like any other.
    return503OnClosing: false,
    requestTimeout: 30_000,
    keepAliveTimeout: 60_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 2_000 },
    routerOptions: { maxParamLength: 100 },
    clientErrorHandler: refuseConnection,
    frameworkErrors: (error, request, reply) => void sendProblem(parts, error, request, reply),
  });
  const { connections, trustedProxies } = parts.http;
  boundConnections(app.server, connections, trustedProxies === false ? [] : trustedProxies);
  app.decorateRequest(noted, null);
  app.decorateRequest(unknownCaller, null);
  app.setErrorHandler((error, request, reply) => sendProblem(parts, error, request, reply));
  const methodsAt = methodsOf(routes);
  app.setNotFoundHandler(({ url }) => {
    throw refusePath(methodsAt(url));
  });
  app.addHook("onRequest", (request, reply, done) => {
    void reply.headers(securityHeaders);
    // Before the body is read: fastify refuses some methods because of theirs.
    done(request.is404 ? refusePath(methodsAt(request.url)) : undefined);
  });
  app.addHook("onResponse", (request, reply, done) => {
    report(parts, request, reply);
    done();
  });
  readJsonOnly(app);
  for (const route of routes) addRoute(app, parts, route);
  await serveDocs(app, routes);
  return app;
}

/** A body is JSON or absent. Its bytes are zeroed once they are read, because they may hold a secret. */
function readJsonOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    "application/json",
    { parseAs: "buffer" },
    (request: FastifyRequest, body: Buffer, done) => {
      const notes = notesOf(request);
      if (notes !== null && request.headers["idempotency-key"] !== undefined) notes.bodyDigest = digest(body);
      done(null, readBody(body));
    },
  );
}

function readBody(body: Buffer): unknown {
  try {
    return body.byteLength === 0 ? undefined : parseJson(body);
  } finally {
    body.fill(0);
  }
}

function addRoute(app: FastifyInstance, parts: ServerParts, route: Route): void {
  app.route({
    method: route.method,
    url: route.path,
    onRequest: async (request, reply) => {
      const caller = await identify(parts, route, request, reply);
      if (caller !== null) void reply.header("cache-control", "no-store");
      request.setDecorator<Notes>(noted, { route, caller, bodyDigest: ofNothing });
    },
    handler: async (request, reply) => {
      const { caller } = notesOf(request) ?? { caller: null };
      const answered = await answer(parts, route, request).catch(async (error: unknown) => {
        await afterRefusal(parts, route, caller, request, error);
        throw error;
      });
      return sendReply(reply, answered);
    },
  });
}

async function answer(parts: ServerParts, route: Route, request: FastifyRequest): Promise<Reply> {
  const { caller, bodyDigest } = notesOf(request) ?? { caller: null, bodyDigest: ofNothing };
  const { params, query, body, headers } = request;
  const honoursKey = route.idempotency === "kept" || route.idempotency === "passed";
  const key = honoursKey ? idempotencyKeyOf(headers["idempotency-key"]) : null;
  const run = route.prepare({ params, query, body, ifMatch: headers["if-match"] }, caller, key);
  request.body = undefined;
  if (key === null || caller === null || route.idempotency !== "kept") return run();
  const { method, path: pattern } = route;
  return runOnce(
    parts.idempotency,
    { route: `${method} ${pattern}`, path: request.url, caller, key, bodyDigest },
    run,
  );
}

/**
 * The one place where an error becomes an answer. Errors of the service are logged; the caller sees what it
 * can mend.
 */
function sendProblem(
  { log, metrics }: ServerParts,
  thrown: unknown,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const error = publicError(thrown);
  if (error.status >= 500)
    log.error("a request failed", { request_id: request.id, code: error.code, error: thrown });
  if (error.code === "unauthenticated") {
    void reply.header("www-authenticate", "Bearer");
    request.setDecorator<string | null>(unknownCaller, explainFailure(thrown));
  }
  const allowed = error.facts["allow"];
  if (Array.isArray(allowed)) void reply.header("allow", allowed.join(", "));
  const waitSeconds = error.facts["retry_after_seconds"];
  if (typeof waitSeconds === "number") void reply.header("retry-after", String(waitSeconds));
  if (error instanceof LimitExceeded) {
    metrics.rateLimitRefusals.inc({ limit: error.state.limit });
    showLimit(reply, error.state);
    void reply.header("retry-after", String(error.state.resetSeconds));
  }
  const body = JSON.stringify(describeProblem(error, request.id));
  return reply.code(error.status).header("content-type", `${problemType}; charset=utf-8`).send(body);
}

function report({ metrics, log }: ServerParts, request: FastifyRequest, reply: FastifyReply): void {
  const { method } = request;
  const notes = notesOf(request);
  // Reading `routeOptions` is slow: fastify builds it at each access.
  const route = notes?.route.path ?? request.routeOptions.url ?? "none";
  const caller = notes?.caller ?? null;
  const reason = request.getDecorator<string | null>(unknownCaller);
  const seconds = Math.round(reply.elapsedTime * 1000) / 1_000_000;
  metrics.httpRequests.inc({ method, route, status: reply.statusCode });
  metrics.httpSeconds.observe({ method, route }, seconds);
  log.info("request", {
    request_id: request.id,
    method,
    route,
    status: reply.statusCode,
    seconds,
    ...(reason === null ? {} : { reason }),
    ...(caller?.kind === "member" ? { tenant_id: caller.tenantId, principal: principalName(caller) } : {}),
  });
}

function digest(body: Uint8Array): Uint8Array {
  return createHash("sha256").update(body).digest();
}

const ofNothing = digest(new Uint8Array(0));

/** The methods that have a route at a path; none where there is no route. */
function methodsOf(routes: readonly Route[]): (url: string) => readonly string[] {
  const known = [...routes, { method: "GET", path: "/docs" }, { method: "GET", path: "/openapi.json" }];
  const patterns = known.map(({ method, path }) => ({
    method,
    pattern: new RegExp(`^${path.replaceAll(".", "\\.").replaceAll(/:\w+/g, "[^/]+")}/?$`),
  }));
  return (url) => {
    const [path = ""] = url.split("?", 1);
    return [...new Set(patterns.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
  };
}

/**
 * Why a request has no route: 405 where other methods have one at its path (RFC 9110 §15.5.6), 404 where none
 * has.
 */
function refusePath(allow: readonly string[]): KeyholdError {
  if (allow.length === 0) return new KeyholdError("not_found", "This path does not exist.");
  return new KeyholdError("method_not_allowed", `This path accepts ${allow.join(", ")}.`, {
    facts: { allow },
  });
}
