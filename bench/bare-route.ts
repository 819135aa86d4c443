import { join } from "node:path";
import { fastify } from "fastify";
import type { z } from "zod";
import { Authenticator } from "../src/access/authenticate.ts";
import { openLocalIssuer } from "../src/access/local-issuer.ts";
import { Memberships } from "../src/access/membership.ts";
import { createTokenVerifier } from "../src/access/tokens.ts";
import { prover } from "../src/audit/change.ts";
import { Grants } from "../src/audit/grants.ts";
import { connectionFromUrl, openDb, openPool } from "../src/db/connect.ts";
import { DataKeys } from "../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../src/key-encryption/file.ts";
import { answer } from "./answer.ts";
import { bareRouteJob } from "./servers.ts";

/**
 * What a retrieval is held against, in a process of its own: a fastify route of the same path that checks the same token in the
 * same way, reads a JSON body, and answers with a document of the same size that never changes. No record, no database, no key.
 */
async function serve({ folder, databaseUrl }: z.output<typeof bareRouteJob>): Promise<string> {
  const connection = await connectionFromUrl({ url: databaseUrl, tls: "verify", caFile: undefined });
  const db = openDb(openPool(connection, { applicationName: "bench bare route", max: 2 }));
  const dataKeys = new DataKeys(db, await loadKeyFile(join(folder, "key-encryption.key")));
  const { issuer } = await openLocalIssuer(folder);
  const authenticator = new Authenticator(
    createTokenVerifier([issuer]),
    new Memberships(db, prover(db, new Grants(db, dataKeys))),
  );
  const app = fastify();
  app.post("/api/v1/credentials/:id/reveal", async (request) => {
    await authenticator.authenticate(request.headers.authorization, { address: null, requestId: null });
    return revealed;
  });
  return app.listen({ host: "127.0.0.1", port: 0 });
}

const revealed = {
  credential_id: "00000000-0000-4000-8000-000000000000",
  venue: "binance",
  environment: "live",
  version: 1,
  secret: { api_key: "0".repeat(64), api_secret: "0".repeat(64) },
};

await answer(async (job) => ({ url: await serve(bareRouteJob.parse(job)) }));
