import { readFile, writeFile } from "node:fs/promises";

/** The text of a file that its owner alone reads, made by `make` where there is none yet. */
export async function kept(path: string, make: () => string | Promise<string>): Promise<string> {
  const text = await readFile(path, "utf8").catch(() => null);
  if (text !== null) return text;
  const made = await make();
  await keep(path, made);
  return made;
}

/** Writes a file that its owner alone reads. */
export async function keep(path: string, content: string | Uint8Array): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
}
