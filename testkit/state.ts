import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findPlace } from "../src/db/embedded/place.ts";
import { recover } from "../src/db/embedded/recover.ts";
import { releaseUid } from "../src/db/embedded/user.ts";

/** A state folder for an embedded server of a test's own; disposing it removes everything, a killed test's server included. */
export async function makeState(): Promise<AsyncDisposable & Readonly<{ folder: string }>> {
  const folder = await mkdtemp(join(tmpdir(), "keyhold-state-"));
  return { folder, [Symbol.asyncDispose]: () => removeState(folder) };
}

/** Removes a state folder and the database that belongs to it, wherever that is, and stops a server that nobody owns. */
export async function removeState(folder: string): Promise<void> {
  const place = await findPlace(folder);
  const { home, data } = place;
  await recover(data);
  await releaseUid(place);
  await rm(home, { recursive: true, force: true });
  await rm(folder, { recursive: true, force: true });
}
