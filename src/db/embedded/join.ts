import { type Connect, connectionsOf } from "./connection.ts";
import { readLock } from "./lock.ts";
import { readPasswords } from "./passwords.ts";
import { locatePlace } from "./place.ts";
import { isServed } from "./recover.ts";

/** A server that another Keyhold started and owns. */
export type JoinedPostgres = Readonly<{
  connection: Connect;
  data: string;
}>;

/**
 * The embedded server of the state folder `folder`, where a Keyhold is running on it: for commands of an operator beside the
 * service. `null` when there is none, or its Keyhold was killed.
 */
export async function joinEmbedded(folder: string): Promise<JoinedPostgres | null> {
  const place = await locatePlace(folder);
  if (place === null) return null;
  const { data } = place;
  const lock = await readLock(data);
  if (lock?.ready !== true || !(await isServed(lock.pid, data))) return null;
  return { data, connection: connectionsOf(lock.socketFolder, await readPasswords(place)) };
}
