import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { StartError } from "../../errors.ts";
import { exists, hasDatabase, type Place, type Site } from "./place.ts";

/**
 * When a new, empty database may be made: `never`, `first` if nothing of an earlier one is left, or `asked`
 * in any case.
 */
export type Begin = "never" | "first" | "asked";

/**
 * Refuses to begin with an empty database when an earlier one should exist. `keyFile` is the key file of this
 * installation; `null` when its keys are elsewhere. Throws StartError with the place of the earlier database.
 */
export async function refuseToBegin(place: Place, begin: Begin, keyFile: string | null): Promise<void> {
  if (begin === "asked" || (await hasDatabase(place))) return;
  const { folder, data } = place;
  if (begin === "never") throw noDatabase(data);
  const before = await readNote(place);
  if (before !== null && before !== data && (await exists(before))) {
    throw new StartError(
      `The folder ${folder} had another name when its database was made in ${before}, and now ${data} is looked for. ` +
        `Give the folder its former name, or run: mv ${before} ${data}`,
    );
  }
  const evidence = (await findEvidence(keyFile)) ?? (before === null ? null : `the note ${noteName}`);
  if (evidence === null) return;
  throw new StartError(
    `There is no database in ${data}, and ${evidence} belongs to one${before === null ? "" : ` that was in ${before}`}. ` +
      "Restore or mount it, or correct KEYHOLD_FOLDER. To begin with a new, empty database, start once with --new.",
  );
}

async function findEvidence(keyFile: string | null): Promise<string | null> {
  return keyFile !== null && (await exists(keyFile)) ? `the key file ${keyFile}` : null;
}

/** For commands of an operator, which need an existing database. */
export function noDatabase(data: string): StartError {
  return new StartError(
    `There is no database of Keyhold in ${data}. Set KEYHOLD_FOLDER to the folder of the service, or start the service first.`,
  );
}

/** A file in the state folder. */
export const noteName = "where-the-database-is.txt";
const firstWords = "The database of this folder is in ";

/**
 * Writes the place of the database into the state folder: a database of root is elsewhere, and a renamed or
 * restored folder misses it.
 */
export async function leaveNote({ folder, home, data, runAs }: Site): Promise<void> {
  const reason =
    runAs === null
      ? ""
      : `Keyhold was started as root. PostgreSQL refuses to run as root, and the user that it runs as, ${runAs.uid}, cannot enter every\n` +
        `folder of root's. Its passwords and its log are in ${home}. The name of that folder is made from the path of this one.\n`;
  const text = `${firstWords}${data}\n${reason}A backup needs this folder and that one, taken while Keyhold is stopped.\n`;
  await writeFile(join(folder, noteName), text, { mode: 0o600 });
}

/** The place of the database when the note was written; `null` without a note. */
async function readNote({ folder }: Place): Promise<string | null> {
  const text = await readFile(join(folder, noteName), "utf8").catch(() => "");
  // Older notes continue in the same line.
  return new RegExp(`^${firstWords}(.+?)(?:, because Keyhold .*)?$`, "m").exec(text)?.[1] ?? null;
}
