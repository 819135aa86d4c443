import { system } from "../../src/access/principal.ts";
import { note } from "../../src/audit/change.ts";
import { Disclosures } from "../../src/audit/disclosures.ts";
import { openDb, openPool } from "../../src/db/connect.ts";
import { DataKeys } from "../../src/key-encryption/data-keys.ts";
import { loadKeyFile } from "../../src/key-encryption/file.ts";
import { signed } from "../../testkit/rights.ts";

/**
 * A process that writes the record with connections of its own: `appends` disclosures, many at once, and a change after every
 * tenth. Says `{ appended, failed }` at its end.
 */
export type Task = Readonly<{
  connection: Parameters<typeof openPool>[0];
  keyFile: string;
  credentials: readonly Readonly<{ tenantId: string; id: string }>[];
  appends: number;
  /** Disclosures and changes under way at once; many, so that groups form and meet those of the other processes. */
  atOnce?: number;
  /** Whether only the disclosures are made, without changes. */
  noChanges?: boolean;
}>;

process.once("message", (task: Task) => void answer(task));

async function answer(task: Task): Promise<void> {
  process.send?.(await run(task));
  process.disconnect?.();
}

async function run({ connection, keyFile, credentials, appends, atOnce = 40, noChanges = false }: Task) {
  const recordPool = openPool(connection, { applicationName: "record", max: 2, answerWithin: 10_000 });
  const db = openDb(openPool(connection, { applicationName: "changes", max: 2 }));
  const waitingPool = openPool(connection, { applicationName: "record waits", max: 5 });
  const prove = signed({ db, dataKeys: new DataKeys(db, await loadKeyFile(keyFile)) });
  const disclosures = new Disclosures(recordPool, prove, { mostInGroup: 16, withinMs: 60_000, waitingPool });
  const one = async (n: number): Promise<void> => {
    const credential = credentials[(n * 7 + process.pid) % credentials.length];
    if (credential === undefined) return;
    const { tenantId, id } = credential;
    const principal = system(tenantId, `child ${process.pid}`);
    if (n % 10 === 0 && !noChanges) {
      await note(db, principal, {
        event: "access.refused",
        detail: { kind: "credential", id, action: `${n}` },
      });
      return;
    }
    const event = { event: "credential.used", detail: { purpose: "scope" } } as const;
    await disclosures.append({ principal, credentialId: id, need: "use", revision: null, ...event });
  };
  let next = 0;
  let failed = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < appends; n = next++) await one(n).catch(() => (failed += 1));
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  await Promise.all([recordPool.end(), waitingPool.end(), db.destroy()]);
  return { appended: appends - failed, failed };
}
