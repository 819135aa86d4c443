import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { describeApi } from "./openapi.ts";
import type { Route } from "./route.ts";

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
