import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Site } from "./place.ts";

/** Says in the state folder where the database is: root's is elsewhere. */
export async function leaveNote({ folder, home, data, runAs }: Site): Promise<void> {
  if (runAs === null) return;
  const text =
    `The database of this folder is in ${data}, because Keyhold was started as root: PostgreSQL refuses to run as root, and\n` +
    `the user it runs as, ${runAs.uid}, cannot enter every folder of root's. Its passwords and its log are in ${home}.\n` +
    "A backup needs this folder and that one, taken while Keyhold is stopped.\n";
  await writeFile(join(folder, "where-the-database-is.txt"), text, { mode: 0o600 });
}
