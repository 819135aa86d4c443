import { createSecretKey, randomBytes } from "node:crypto";
import { type FileHandle, open, realpath, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { keyBytes } from "../crypto/aes-gcm.ts";
import { fingerprint, type WrappingKey } from "../crypto/keys.ts";
import { StartError } from "../errors.ts";
import { belongsTo, isOwn, isPrivate } from "../own-file.ts";

/** The key-encryption keys of a file: the newest wraps, and each of them unwraps. */
export type KeyFile = Readonly<{ newest: WrappingKey; older: readonly WrappingKey[] }>;

/**
 * Creates a key file with one random key, readable by its owner only, and returns when file and folder are on
 * disk. Throws `StartError` for an existing file, because a key is never overwritten.
 */
export async function createKeyFile(path: string): Promise<void> {
  const key = randomBytes(keyBytes);
  try {
    await writeNew(path, key);
  } finally {
    key.fill(0);
  }
  await syncFolderOf(path);
}

/**
 * Reads the keys of a file, newest first. Throws `StartError` with a remedy for anything that is no key file.
 */
export async function readKeyFile(path: string): Promise<KeyFile> {
  return withContent(path, (content) => {
    const [newest, ...older] = split(path, content).map((key) => ({
      id: fingerprint(key),
      key: createSecretKey(key),
    }));
    if (newest === undefined) throw refusal(path, "holds no key.");
    return Promise.resolve({ newest, older });
  });
}

/**
 * Adds a new random key at the front. After a crash the file has its old or its new content. Throws
 * `StartError`.
 */
export async function addKey(path: string): Promise<void> {
  await withContent(path, async (content) => {
    split(path, content);
    const whole = Buffer.concat([randomBytes(keyBytes), content]);
    try {
      if (whole.byteLength > maxContentBytes) throw refusal(path, "is full. Remove old keys first.");
      await replace(path, whole);
    } finally {
      whole.fill(0);
    }
  });
}

/** Keeps only the newest key. The caller ensures that no data key needs an older one. Throws `StartError`. */
export async function removeOldKeys(path: string): Promise<void> {
  await withContent(path, async (content) => {
    const [newest] = split(path, content);
    if (newest !== undefined) await replace(path, newest);
  });
}

async function withContent<T>(path: string, work: (content: Uint8Array) => Promise<T>): Promise<T> {
  await using file = await openFile(path, "r");
  const content = await readChecked(path, file);
  try {
    return await work(content);
  } finally {
    content.fill(0);
  }
}

function split(path: string, content: Uint8Array): readonly Uint8Array[] {
  const keys = splitKeys(content);
  if (typeof keys === "string") throw refusal(path, keys);
  return keys;
}

async function replace(path: string, content: Uint8Array): Promise<void> {
  // The target of a link, not the link.
  const target = await realpath(path);
  const draft = `${target}.new`;
  // An interrupted run may have left a draft.
  await rm(draft, { force: true });
  await writeNew(draft, content);
  await rename(draft, target);
  await syncFolderOf(target);
}

async function writeNew(path: string, content: Uint8Array): Promise<void> {
  await using file = await openFile(path, "wx");
  await writeDurably(file, content).catch(async (failure: unknown) => {
    await rm(path, { force: true });
    throw failure;
  });
}

async function syncFolderOf(path: string): Promise<void> {
  await using folder = await open(dirname(path), "r");
  await folder.sync();
}

async function writeDurably(file: FileHandle, content: Uint8Array): Promise<void> {
  await file.writeFile(content);
  await file.sync();
}

async function readChecked(path: string, file: FileHandle): Promise<Uint8Array> {
  const status = await file.stat();
  if (!status.isFile()) throw refusal(path, "is not a regular file. Set the path to the key file itself.");
  if (!isPrivate(status)) {
    const octal = (status.mode & 0o7777).toString(8).padStart(4, "0");
    throw refusal(path, `has mode ${octal}, which is wider than 0600. Run: chmod 600 ${path}`);
  }
  if (!isOwn(status)) throw refusal(path, belongsTo(status, path));
  // An ArrayBuffer of its own is off the moving heap, so that zeroing leaves no copy.
  const content = new Uint8Array(new ArrayBuffer(Math.min(status.size, maxContentBytes + 1)));
  const { bytesRead } = await file.read(content, 0, content.byteLength, 0);
  return content.subarray(0, bytesRead);
}

async function openFile(path: string, flags: "r" | "wx"): Promise<FileHandle> {
  try {
    return await open(path, flags, 0o600);
  } catch (failure) {
    throw refusal(path, explain(failure, flags), failure);
  }
}

function explain(failure: unknown, flags: "r" | "wx"): string {
  const code = failure instanceof Error && "code" in failure ? String(failure.code) : "unknown reason";
  if (code === "ENOENT" && flags === "wx")
    return "cannot be created: its folder does not exist. Create it first.";
  if (code === "ENOENT") {
    return "does not exist. Restore it from your backup or correct the path; a new key cannot open what an old one sealed.";
  }
  if (code === "EROFS")
    return "cannot be changed: its file system is read-only. Change what is mounted there.";
  if (code === "EEXIST") return "exists already. A key is never overwritten: use it, or move it away first.";
  return `cannot be opened (${code}). Check that the user who runs Keyhold owns it.`;
}

function refusal(path: string, reason: string, cause?: unknown): StartError {
  return new StartError(`The key file ${path} ${reason}`, { cause });
}

const maxKeys = 32;
const maxContentBytes = maxKeys * keyBytes;

/** 32 random bytes have about 30 distinct values; fewer than 16 does not happen by chance. */
const minDistinctBytes = 16;

/**
 * Splits the content of a key file into its keys, newest first, as views of `content`.
 * @returns a sentence with reason and remedy when the content cannot be keys.
 */
function splitKeys(content: Uint8Array): Uint8Array[] | string {
  const count = content.byteLength / keyBytes;
  if (!Number.isInteger(count) || count < 1 || count > maxKeys) {
    return `has a length that no key file has. It must hold 1 to ${maxKeys} raw keys of ${keyBytes} bytes each, newest first: restore it from your backup.`;
  }
  if (content.every(isPrintable)) {
    return "holds text. It must hold the raw bytes of the keys: decode the hex or base64 first.";
  }
  const keys = Array.from({ length: count }, (_, index) =>
    content.subarray(index * keyBytes, (index + 1) * keyBytes),
  );
  const weak = keys.findIndex((key) => new Set(key).size < minDistinctBytes);
  if (weak >= 0) {
    return `holds a key that is not random (number ${weak + 1} of ${count}). Restore the file from your backup; new keys come from a random generator.`;
  }
  if (keys.some((key, index) => keys.slice(0, index).some((other) => Buffer.compare(key, other) === 0))) {
    return "holds the same key twice. Remove the repeated key.";
  }
  return keys;
}

function isPrintable(byte: number): boolean {
  return (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d);
}
