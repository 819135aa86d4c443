import { findPlace } from "../../../src/db/embedded/place.ts";
import { readLock } from "../../../src/db/embedded/recover.ts";
import { StartError } from "../../../src/errors.ts";

/** Throws `StartError` where PostgreSQL would refuse to start: while the process of its lock file is in the list of processes. */
export async function refuseZombie(folder: string): Promise<void> {
  const { data } = await findPlace(folder);
  const lock = await readLock(data);
  if (lock === null || !isListed(lock.pid)) return;
  throw new StartError('The embedded PostgreSQL did not start (lock file "postmaster.pid" already exists).');
}

/** As PostgreSQL asks it: a process that ended, and for which its parent did not wait, is in the list still. */
function isListed(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
