import { Disclosures } from "../src/audit/disclosures.ts";
import { system } from "../src/access/principal.ts";
import { openPool } from "../src/db/connect.ts";

/** A process that opens one credential again and again, and says how often it did within the time. */
export type AppendTask = Readonly<{
  connection: Parameters<typeof openPool>[0];
  tenantId: string;
  credentialId: string;
  connections: number;
  seconds: number;
  skipsHeldChains: boolean;
}>;

process.once("message", (task: AppendTask) => void answer(task));

async function answer(task: AppendTask): Promise<void> {
  process.send?.(await run(task));
  process.disconnect?.();
}

async function run({
  connection,
  tenantId,
  credentialId,
  connections,
  seconds,
  skipsHeldChains,
}: AppendTask) {
  const within = { patience: 2000, answerWithin: 2000 };
  const pool = openPool(connection, { applicationName: "record", max: 2, ...within });
  const waitingPool = openPool(connection, { applicationName: "record waits", max: 5, ...within });
  const disclosures = new Disclosures(pool, { waitingPool, skipsHeldChains });
  const request = {
    principal: system(tenantId, "bench"),
    credentialId,
    need: "use",
    revision: null,
    event: "credential.used",
    detail: { purpose: "scope" },
  } as const;
  let [done, failed] = [0, 0];
  const over = performance.now() + seconds * 1000;
  const client = async (): Promise<void> => {
    while (performance.now() < over) {
      await disclosures.append(request).then(
        () => (done += 1),
        () => (failed += 1),
      );
    }
  };
  await Promise.all(Array.from({ length: connections }, client));
  await Promise.all([pool.end(), waitingPool.end()]);
  return { done, failed };
}
