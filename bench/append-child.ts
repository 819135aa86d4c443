import { system } from "../src/access/principal.ts";
import { prover } from "../src/audit/change.ts";
import { Disclosures } from "../src/audit/disclosures.ts";
import { Grants } from "../src/audit/grants.ts";
import { openDb, openPool } from "../src/db/connect.ts";
import { DataKeys } from "../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../src/key-encryption/file.ts";

/** A process that opens one credential again and again, and says how often it did within the time. */
export type AppendTask = Readonly<{
  connection: Parameters<typeof openPool>[0];
  keyFile: string;
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
  keyFile,
  tenantId,
  credentialId,
  connections,
  seconds,
  skipsHeldChains,
}: AppendTask) {
  const within = { patience: 2000, answerWithin: 2000 };
  const pool = openPool(connection, { applicationName: "record", max: 2, ...within });
  const waitingPool = openPool(connection, { applicationName: "record waits", max: 5, ...within });
  const db = openDb(openPool(connection, { applicationName: "rights", max: 1 }));
  const prove = prover(db, new Grants(db, new DataKeys(db, await loadKeyFile(keyFile))));
  const disclosures = new Disclosures(pool, prove, { waitingPool, skipsHeldChains });
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
  await Promise.all([pool.end(), waitingPool.end(), db.destroy()]);
  return { done, failed };
}
