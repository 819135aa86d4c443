import { change } from "../../src/audit/change.ts";
import { createGuard } from "../../src/webhooks/guard.ts";
import { createWebhook } from "../../src/webhooks/webhook.ts";
import { settingsFor, type Installation } from "../../testkit/embedded-installation.ts";
import { percentile } from "../../testkit/percentiles.ts";
import type { Figure, Section } from "../figures.ts";
import { startReceiver } from "../receiver.ts";
import { seed, type SeededTenant } from "../seed.ts";
import { startService } from "../servers.ts";

const mostTenants = 10;
const loopback = "127.0.0.1";
/** Changes under way at once. */
const writers = 16;

/**
 * As many changes as there are to be deliveries, made as fast as the database takes them, each of another credential and told to its
 * tenant's receiver on loopback by the service, which looks for what is due every second.
 */
export async function measureWebhooks(installation: Installation, deliveries: number): Promise<Section> {
  const tenants = Math.min(mostTenants, deliveries);
  const seeded = await seed(installation, { tenants, credentialsEach: Math.ceil(deliveries / tenants) });
  const arrivals = new Map<string, number>();
  const all = Promise.withResolvers<undefined>();
  const credentials = seeded.flatMap(({ credentialIds }) => credentialIds);
  await using receiver = await startReceiver((id, at) => {
    if (!arrivals.has(id)) arrivals.set(id, at);
    if (arrivals.size === credentials.length) all.resolve(undefined);
  });
  await tellEach(installation, seeded, receiver.url);
  await using running = new AsyncDisposableStack();
  running.use(await startService({ ...settingsFor(installation), KEYHOLD_WEBHOOK_NETWORKS: loopback }));
  const started = performance.now();
  const commits = await changeEach(installation, seeded);
  const changed = performance.now();
  await all.promise;
  return {
    title: `Webhooks, ${credentials.length} changes of ${tenants} tenants, each told to a receiver on this machine`,
    figures: describe({ started, changed, commits, arrivals }),
  };
}

async function tellEach(
  { db, dataKeys }: Installation,
  seeded: readonly SeededTenant[],
  url: string,
): Promise<void> {
  const guard = createGuard({ networks: [loopback] });
  try {
    for (const { owner } of seeded) {
      await createWebhook({ db, dataKeys, guard }, owner, { url, events: ["credential.updated"] });
    }
  } finally {
    await guard.close();
  }
}

/** When each was committed. */
async function changeEach(
  { db }: Installation,
  seeded: readonly SeededTenant[],
): Promise<ReadonlyMap<string, number>> {
  const commits = new Map<string, number>();
  const left = seeded
    .flatMap(({ owner, credentialIds }) => credentialIds.map((id) => ({ owner, id })))
    .values();
  const write = async (): Promise<void> => {
    for (const { owner, id } of left) {
      const detail = { credential_id: id, changed: ["label"] };
      await change(db, owner, () =>
        Promise.resolve({ value: {}, events: [{ event: "credential.updated", detail }] }),
      );
      commits.set(id, performance.now());
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
  return commits;
}

type Told = Readonly<{
  started: number;
  changed: number;
  commits: ReadonlyMap<string, number>;
  arrivals: ReadonlyMap<string, number>;
}>;

function describe({ started, changed, commits, arrivals }: Told): readonly Figure[] {
  const wall = (Math.max(...arrivals.values()) - started) / 1000;
  // One can arrive before whoever made the change has heard that it is committed.
  const delays = Float64Array.from(commits, ([id, at]) => Math.max(0, (arrivals.get(id) ?? Number.NaN) - at));
  delays.sort();
  return [
    { name: "webhooks_wall_s", text: "from the first change to the last arrival", value: wall },
    { name: "webhooks_changes_s", text: "  of it until the last change", value: (changed - started) / 1000 },
    { name: "webhooks_deliveries_per_s", text: "  deliveries", value: arrivals.size / wall },
    {
      name: "webhooks_delay_p50_ms",
      text: "from a change's commit to its arrival, P50",
      value: percentile(delays, 0.5),
    },
    { name: "webhooks_delay_p99_ms", text: "  P99", value: percentile(delays, 0.99) },
  ];
}
