import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { describeApi } from "./openapi.ts";
import type { Route } from "./route.ts";

/** The page loads nothing from anywhere else, and runs no script but its own files. It sets styles on elements itself. */
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

/** `/openapi.json`, and `/docs` to read it and try it. */
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
    // The validator that the page would ask is another host's.
    uiConfig: { validatorUrl: null, persistAuthorization: false },
  });
}
