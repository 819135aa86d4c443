import { type Simulator, startSimulator } from "../../simulator/simulator.ts";
import { openLocalIssuer } from "../../src/access/local-issuer.ts";
import { operatorScope, scopes } from "../../src/access/permissions.ts";
import type { Cluster } from "../../testkit/cluster/cluster.ts";
import type { Program } from "../../testkit/cluster/program.ts";
import { startCluster } from "../../testkit/cluster/start.ts";
import { install, settingsFor } from "../../testkit/embedded-installation.ts";
import { type Service, startService } from "../../testkit/service.ts";
import type { Stage } from "../proof.ts";

type Undo = Pick<AsyncDisposableStack, "defer">;

/** What all trials share: the store's cluster, a database, simulated venues. */
export type Site = Readonly<{
  cluster: Cluster;
  simulator: Simulator;
  /** A token for an hour; the operator's where no tenant is named. */
  mint(subject: string, tenantId?: string): Promise<string>;
  /** The service, or another program in its place, on this cluster and database. */
  serve(program?: readonly [path: string, ...argv: string[]]): Promise<Service>;
}>;

type Ground = Readonly<{
  cluster: Cluster;
  simulator: Simulator;
  /** Of the service's state. */
  folder: string;
  /** How the service finds its database. */
  settings: Readonly<Record<string, string>>;
}>;

/** Limits far above what a proof sends. */
const unlimited = "100000000";

/** Starts everything that a service of its own stands on. */
export async function openSite(program: Program, { say, undo }: Pick<Stage, "say" | "undo">): Promise<Site> {
  const installation = undo.use(await install());
  const simulator = await startSimulator();
  undo.defer(() => simulator.close());
  const starting = startCluster({ program, say });
  undo.defer(async () => (await starting.catch(() => null))?.stop());
  const [cluster, settings] = [await starting, settingsFor(installation)];
  return createSite({ cluster, simulator, folder: installation.folder, settings }, undo);
}

/** Services that it starts end with `undo`. */
export async function createSite(
  { cluster, simulator, folder, settings }: Ground,
  undo: Undo,
): Promise<Site> {
  const { mintToken } = await openLocalIssuer(folder);
  const environment = {
    ...settings,
    ...cluster.environment,
    KEYHOLD_VENUE_HOSTS: JSON.stringify({ binance: { live: simulator.url("binance", "live") } }),
    // The simulated venue shares the machine with all the rest.
    KEYHOLD_VENUE_TIMEOUT_MS: "30000",
    KEYHOLD_REQUESTS_PER_MINUTE: unlimited,
    KEYHOLD_REVEALS_PER_MINUTE: unlimited,
    KEYHOLD_INVOKES_PER_MINUTE: unlimited,
  };
  return {
    cluster,
    simulator,
    mint(subject, tenantId) {
      const who = { subject, ttlSeconds: 3600 };
      return mintToken(
        tenantId === undefined ? { ...who, scopes: [operatorScope] } : { ...who, scopes, tenantId },
      );
    },
    async serve(program) {
      const service = await startService(environment, program);
      undo.defer(() => service.stop());
      return service;
    },
  };
}
