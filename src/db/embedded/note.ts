import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Place, Site } from "./place.ts";

/** In the state folder. */
export const noteName = "where-the-database-is.txt";
const firstWords = "The database of this folder is in ";

/** Writes in the state folder where the database is: root's is elsewhere, and a folder that is renamed or restored alone misses it. */
export async function leaveNote({ folder, home, data, runAs }: Site): Promise<void> {
  const reason =
    runAs === null
      ? ""
      : `Keyhold was started as root. PostgreSQL refuses to run as root, and the user that it runs as, ${runAs.uid}, cannot enter every\n` +
        `folder of root's. Its passwords and its log are in ${home}. The name of that folder is made from the path of this one.\n`;
  const text = `${firstWords}${data}\n${reason}A backup needs this folder and that one, taken while Keyhold is stopped.\n`;
  await writeFile(join(folder, noteName), text, { mode: 0o600 });
}

/** Where the database was when the note was written; `null` where there is no note. */
export async function readNote({ folder }: Place): Promise<string | null> {
  const text = await readFile(join(folder, noteName), "utf8").catch(() => "");
  // Older notes go on in the same line.
  return new RegExp(`^${firstWords}(.+?)(?:, because Keyhold .*)?$`, "m").exec(text)?.[1] ?? null;
}
