import { createSecretKey, randomBytes } from "node:crypto";
import { open, rm } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { dirname } from "node:path";
import { keyBytes } from "../crypto/aes-gcm.ts";
import { fingerprint, unwrapKey, wrapKey } from "../crypto/key-wrap.ts";
import type { WrappingKey } from "../crypto/key-wrap.ts";
import { KeyholdError, StartError } from "../errors.ts";
import { maxContentBytes, splitKeys } from "./key-material.ts";
import type { KeyProvider, WrapContext, WrappedKey } from "./key-provider.ts";

/** Beside the contract: the fingerprints of all keys in the file, newest first. */
export type FileKeyProvider = KeyProvider & Readonly<{ kekIds: readonly string[] }>;

/**
 * Creates a key file with one random key, readable by its owner only, and returns when file and folder are on disk.
 * Throws `StartError` when there is a file already: a key is never overwritten.
 */
export async function createKeyFile(path: string): Promise<void> {
  const key = randomBytes(keyBytes);
  try {
    await using file = await openKeyFile(path, "wx");
    await writeDurably(file, key).catch(async (failure: unknown) => {
      await rm(path, { force: true });
      throw failure;
    });
  } finally {
    key.fill(0);
  }
  await using folder = await open(dirname(path), "r");
  await folder.sync();
}

/**
 * Loads the key-encryption keys of a file: raw keys of 32 bytes each, newest first, in a regular file that only its
 * owner can read or write. Throws `StartError`, which says what to do, for anything else.
 */
export async function loadKeyFile(path: string): Promise<FileKeyProvider> {
  await using file = await openKeyFile(path, "r");
  const content = await readChecked(path, file);
  try {
    const keys = splitKeys(content);
    if (typeof keys === "string") throw refusal(path, keys);
    const [newest, ...older] = keys.map((key) => ({ id: fingerprint(key), key: createSecretKey(key) }));
    if (newest === undefined) throw refusal(path, "holds no key.");
    return fileKeyProvider(newest, older);
  } finally {
    content.fill(0);
  }
}

function fileKeyProvider(newest: WrappingKey, older: readonly WrappingKey[]): FileKeyProvider {
  const keys = new Map([newest, ...older].map((key) => [key.id, key]));
  return {
    kind: "file",
    kekId: newest.id,
    kekIds: [...keys.keys()],
    wrap: async (dataKey: Uint8Array, context: WrapContext): Promise<WrappedKey> => ({
      kekId: newest.id,
      bytes: wrapKey(newest, context, dataKey),
    }),
    unwrap: async ({ kekId, bytes }: WrappedKey, context: WrapContext): Promise<Uint8Array> => {
      const key = keys.get(kekId);
      if (key === undefined) {
        throw unavailable(
          `The key-encryption key ${kekId} is not in the key file. Restore the file that holds it.`,
        );
      }
      const dataKey = unwrapKey(key, context, bytes);
      if (dataKey === null) throw unavailable("The data key does not unwrap: it was altered, or moved.");
      return dataKey;
    },
  };
}

async function writeDurably(file: FileHandle, key: Uint8Array): Promise<void> {
  await file.writeFile(key);
  await file.sync();
}

async function readChecked(path: string, file: FileHandle): Promise<Uint8Array> {
  const status = await file.stat();
  if (!status.isFile()) throw refusal(path, "is not a regular file. Set the path to the key file itself.");
  const mode = status.mode & 0o7777;
  if ((mode & ~0o600) !== 0) {
    const octal = mode.toString(8).padStart(4, "0");
    throw refusal(path, `has mode ${octal}, which is wider than 0600. Run: chmod 600 ${path}`);
  }
  // An ArrayBuffer of its own lies off the moving heap, so that zeroing leaves no copy behind.
  const content = new Uint8Array(new ArrayBuffer(Math.min(status.size, maxContentBytes + 1)));
  const { bytesRead } = await file.read(content, 0, content.byteLength, 0);
  return content.subarray(0, bytesRead);
}

async function openKeyFile(path: string, flags: "r" | "wx"): Promise<FileHandle> {
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
  if (code === "EEXIST") return "exists already. A key is never overwritten: use it, or move it away first.";
  return `cannot be opened (${code}). Check that the user who runs Keyhold owns it.`;
}

function refusal(path: string, reason: string, cause?: unknown): StartError {
  return new StartError(`The key file ${path} ${reason}`, { cause });
}

function unavailable(detail: string): KeyholdError {
  return new KeyholdError("key_unavailable", detail);
}
