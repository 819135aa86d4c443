import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type Simulator, startSimulator } from "../../simulator/simulator.ts";
import { openLocalIssuer } from "../../src/access/local-issuer.ts";
import { operatorScope, scopes } from "../../src/access/permissions.ts";
import { install, settingsFor, type Installation } from "../../testkit/embedded-installation.ts";
import { type Service, startService } from "../../testkit/service.ts";
import type { Stage } from "../proof.ts";

/** A service with a database, simulated venues and one venue that takes every request and answers none. */
export type Site = Readonly<{
  installation: Installation;
  simulator: Simulator;
  service: Service;
  /** A token for an hour; the operator's where no tenant is named. */
  mint(subject: string, tenantId?: string): Promise<string>;
}>;

/** The venue that never answers: any exchange whose nonces rise serves as one. */
export const silentVenue = "hitbtc";

/** Starts `program`, a path below this repository or relative to it, on a database that it migrates itself. */
export async function openSite(
  program: readonly [path: string, ...argv: string[]],
  undo: Stage["undo"],
): Promise<Site> {
  const installation = undo.use(await install({ migrated: false }));
  const simulator = await startSimulator();
  undo.defer(() => simulator.close());
  const silent = createServer();
  undo.defer(() => endServer(silent));
  const { mintToken } = await openLocalIssuer(installation.folder);
  const hosts = hostsOf(simulator, await listen(silent));
  const service = await startService(
    {
      ...settingsFor(installation),
      KEYHOLD_OWNER_DATABASE_URL: installation.ownerUrl,
      KEYHOLD_VENUE_HOSTS: JSON.stringify(hosts),
    },
    program,
  );
  undo.defer(() => service.stop());
  return {
    installation,
    simulator,
    service,
    mint(subject, tenantId) {
      const who = { subject, ttlSeconds: 3600 };
      return mintToken(
        tenantId === undefined ? { ...who, scopes: [operatorScope] } : { ...who, scopes, tenantId },
      );
    },
  };
}

function hostsOf({ hosts }: Simulator, silent: string): Record<string, Record<string, string> | string> {
  const simulated: Record<string, Record<string, string>> = {};
  for (const { venue, environment, url } of hosts) (simulated[venue] ??= {})[environment] = url;
  return { ...simulated, [silentVenue]: silent };
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the silent venue has no address");
  return `http://127.0.0.1:${address.port}`;
}

async function endServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise<void>((resolve) => server.close(() => resolve()));
}
