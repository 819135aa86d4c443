import { at } from "@keyhold/client";
import { until } from "../../testkit/until.ts";
import { ask, connect } from "./client.ts";
import { digestIn, reveal } from "./desk.ts";
import type { Findings } from "./events.ts";
import type { Kept } from "./kept.ts";
import type { Site } from "./site.ts";

/** For a store that has all its nodes, on a machine that may be busy. */
const patienceMs = 60_000;

/** Asks a process that has no copy of anything for every credential, and whether it is as whoever wrote it left it. */
export async function readBack(
  site: Site,
  all: readonly Kept[],
): Promise<Pick<Findings, "writes" | "credentials">> {
  const service = await site.serve();
  const writes: Findings["writes"][number][] = [];
  let changed = 0;
  for (const kept of all) {
    writes.push(...kept.settle(await digestAtLast(service.url, kept)));
    if (await isChanged(service.url, kept)) changed += 1;
  }
  await service.stop();
  return { writes, credentials: { count: all.length, changed } };
}

/** Of the secret that is kept; `null` where a store that works does not give one. */
async function digestAtLast(origin: string, kept: Kept): Promise<string | null> {
  return until(
    "the store to answer",
    async () => {
      const { body, problem } = await reveal(origin, kept);
      if (body !== null) return { digest: digestIn(body) };
      return problem?.code === "store_unavailable" ? null : { digest: null };
    },
    patienceMs,
  ).then(
    ({ digest }) => digest,
    () => null,
  );
}

async function isChanged(origin: string, { id, tenant, revision }: Kept): Promise<boolean> {
  const keyhold = connect(origin, tenant.token);
  const { body } = await ask(() => keyhold.GET("/api/v1/credentials/{id}", at(id)));
  return body?.status !== "active" || body.health !== "healthy" || body.revision !== revision;
}
