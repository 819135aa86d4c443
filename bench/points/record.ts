import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { z } from "zod";
import type { Installation } from "../../testkit/embedded-installation.ts";
import type { AppendTask } from "../append-child.ts";
import type { Section } from "../figures.ts";
import { seed } from "../seed.ts";

const result = z.object({ done: z.number(), failed: z.number() });
const processes = 4;
const connections = 64;
/** What else the machine does meanwhile meets both ways alike. */
const rounds = 3;

/**
 * What four processes record for one tenant whose chain they fight over: with groups that go on without held chains, as they are, and
 * with groups that wait for every chain.
 */
export async function measureRecord(installation: Installation, seconds: number): Promise<Section> {
  const [tenant] = await seed(installation, { tenants: 1, credentialsEach: 1 });
  const credentialId = tenant?.credentialIds[0];
  if (tenant === undefined || credentialId === undefined) throw new Error("nothing was seeded");
  const { tenantId } = tenant.owner;
  const task = {
    connection: installation.app,
    keyFile: installation.keyFile,
    tenantId,
    credentialId,
    connections: connections / processes,
  };
  const totals = { skipping: { done: 0, failed: 0 }, waiting: { done: 0, failed: 0 } };
  for (let round = 0; round < rounds; round += 1) {
    for (const way of ["waiting", "skipping"] as const) {
      const each = { ...task, seconds: seconds / rounds, skipsHeldChains: way === "skipping" };
      const { done, failed } = await runAll(each);
      totals[way].done += done;
      totals[way].failed += failed;
    }
  }
  const { skipping, waiting } = totals;
  return {
    title: `The record of one tenant, ${processes} processes, ${connections} connections`,
    figures: [
      { name: "record_one_tenant_per_s", text: "disclosures", value: skipping.done / seconds },
      { name: "record_one_tenant_errors_count", text: "  errors", value: skipping.failed },
      {
        name: "record_one_tenant_ratio",
        text: "  against groups that wait for every chain",
        value: skipping.done / waiting.done,
      },
    ],
  };
}

async function runAll(task: AppendTask): Promise<Readonly<{ done: number; failed: number }>> {
  const all = await Promise.all(
    Array.from({ length: processes }, async () => {
      const child = fork(join(import.meta.dirname, "../append-child.ts"), { execArgv: [] });
      child.send(task);
      const [message] = await once(child, "message");
      return result.parse(message);
    }),
  );
  return {
    done: all.reduce((sum, { done }) => sum + done, 0),
    failed: all.reduce((sum, { failed }) => sum + failed, 0),
  };
}
