import { randomUUID } from "node:crypto";
import { access, link, mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { packRecord, type PackedRecord } from "../crypto/packed-fields.ts";
import { StartError } from "../errors.ts";
import { makeFolder } from "../make-folder.ts";
import { belongsTo, isOwn } from "../own-file.ts";
import { denied, type Denied, type Unavailable, unavailable } from "../remote/failure.ts";
import { assertRef, compare, found, type PutResult, type SecretRef, type Store } from "./store.ts";

/** Where a version is stored, and how the names of its unfinished drafts begin. */
type Place = Readonly<{ folder: string; name: string; draftPrefix: string }>;

/**
 * Sealed secrets in files, one for each version, in one folder for each tenant: for development. A file is on
 * disk before it counts as written, and appears whole or not at all. Makes a missing folder. Throws
 * `StartError` for a folder that others can enter.
 */
export async function openFileStore(root: string): Promise<Store> {
  await prepare(root);
  const guarded = <T>(work: () => Promise<T>): Promise<T | Unavailable | Denied> =>
    work().catch((error: unknown) => troubleOf(error));

  return {
    name: "file",
    capabilities: { writes: true },
    put: async (ref, fields) => {
      const place = placeOf(root, ref);
      const sealed = packRecord(fields);
      return guarded(() => put(place, sealed));
    },
    get: async (ref) => {
      const { folder, name } = placeOf(root, ref);
      return guarded(async () => {
        const bytes = await readIfThere(root, () => readFile(join(folder, name)));
        return bytes === null ? ({ outcome: "absent" } as const) : found(bytes);
      });
    },
    destroy: async (ref) => {
      const place = placeOf(root, ref);
      return guarded(async () => {
        await readIfThere(root, () => remove(place));
        return { outcome: "destroyed" } as const;
      });
    },
    health: () =>
      guarded(async () => {
        await syncFolder(root);
        return { outcome: "healthy" } as const;
      }),
  };
}

async function prepare(root: string): Promise<void> {
  try {
    await makeFolder(root, "KEYHOLD_FILE_STORE");
    const status = await stat(root);
    if ((status.mode & 0o077) !== 0) throw new StartError(`Others can enter ${root}. Run: chmod 700 ${root}`);
    if (!isOwn(status)) throw new StartError(`The folder ${root} ${belongsTo(status, root)}`);
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(`The folder ${root} for sealed secrets cannot be made or read.`, { cause: error });
  }
}

function placeOf(root: string, ref: SecretRef): Place {
  assertRef(ref);
  const name = `${ref.credentialId}.${ref.version}`;
  return { folder: join(root, ref.tenantId), name, draftPrefix: `.${name}.` };
}

/**
 * A link, unlike a rename, fails when the name is taken, so that one of several writers wins, with its whole
 * file.
 */
async function put({ folder, name, draftPrefix }: Place, sealed: PackedRecord): Promise<PutResult> {
  // Not recursive, because a missing root must not be made again.
  await mkdir(folder, { mode: 0o700 }).then(() => syncFolder(join(folder, "..")), ignore("EEXIST"));
  const target = join(folder, name);
  const draft = join(folder, draftPrefix + randomUUID());
  try {
    await writeDurably(draft, sealed);
    await link(draft, target).catch(ignore("EEXIST"));
    const answer = compare(await readFile(target), sealed);
    await syncFolder(folder);
    return answer;
  } finally {
    await rm(draft, { force: true });
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, "wx", 0o600);
  await file.writeFile(bytes);
  await file.sync();
}

/** Also removes the drafts that a crash left, because they contain the same sealed bytes. */
async function remove({ folder, name, draftPrefix }: Place): Promise<void> {
  const names = (await readdir(folder)).filter((it) => it === name || it.startsWith(draftPrefix));
  for (const it of names) await rm(join(folder, it), { force: true });
  await syncFolder(folder);
}

async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, "r");
  await folder.sync();
}

/** `null` when the file or its folder does not exist. A missing root is a failure. */
async function readIfThere<T>(root: string, read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
    await access(root);
    return null;
  }
}

function troubleOf(error: unknown): Unavailable | Denied {
  const code = codeOf(error);
  if (code === undefined) throw error;
  if (code === "ENOENT") return unavailable("unreachable");
  return ["EACCES", "EPERM", "EROFS"].includes(code) ? denied("policy") : unavailable("failing");
}

function ignore(expected: string): (error: unknown) => void {
  return (error) => {
    if (codeOf(error) !== expected) throw error;
  };
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
