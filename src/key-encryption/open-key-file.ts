import { access } from "node:fs/promises";
import { StartError } from "../errors.ts";
import { loadKeyFile } from "./file.ts";
import { createKeyFile } from "./key-file.ts";
import type { KeyProvider } from "./key-provider.ts";

type KeyFileOptions = Readonly<{
  path: string;
  /** What the database was sealed with; `null` when it holds no secret yet. */
  sealedWith: string | null;
  /** Where the embedded database is; `null` for one that somebody else runs. */
  embeddedIn: string | null;
  /** Whether one may be made at all. */
  creates: boolean;
}>;

/**
 * Opens the key file that belongs to a database. One is made only together with a new embedded database: beside any other, a
 * missing file would leave every secret unreadable, so the start stops instead. Throws `StartError`.
 */
export async function openKeyFile(
  options: KeyFileOptions,
): Promise<Readonly<{ provider: KeyProvider; created: boolean }>> {
  const { path, sealedWith, embeddedIn, creates } = options;
  const missing = await access(path).then(
    () => false,
    () => true,
  );
  if (missing && !(creates && sealedWith === null && embeddedIn !== null)) throw refusal(options);
  if (missing) await createKeyFile(path);
  return { provider: await loadKeyFile(path), created: missing };
}

function refusal({ path, sealedWith, embeddedIn }: KeyFileOptions): StartError {
  if (sealedWith === null) {
    const remedy =
      embeddedIn === null
        ? "Make one with `keyhold keys create` and keep a copy of it elsewhere."
        : "The service makes it: start the service first.";
    return new StartError(`There is no key file at ${path}. ${remedy}`);
  }
  const anew = embeddedIn === null ? "" : `, or remove ${embeddedIn} to begin anew without what it holds`;
  return new StartError(
    `The key file ${path} is missing, and the database was sealed with its key ${sealedWith}. Restore the file from its backup${anew}.`,
  );
}
