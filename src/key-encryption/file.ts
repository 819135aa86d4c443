import { type WrappingKey, unwrapKey, wrapKey } from "../crypto/keys.ts";
import { KeyholdError } from "../errors.ts";
import { type KeyFile, readKeyFile } from "./key-file.ts";
import type { KeyProvider, WrapContext, WrappedKey } from "./key-provider.ts";

/**
 * Key-encryption keys from a file: raw keys of 32 bytes each, newest first, in a regular file that only its
 * owner can read or write. Throws `StartError` with a remedy for anything else.
 */
export async function loadKeyFile(path: string): Promise<KeyProvider> {
  return new FileKeys(path, await readKeyFile(path));
}

class FileKeys implements KeyProvider {
  readonly kind = "file";
  readonly #path: string;
  #newest: WrappingKey;
  #byId: ReadonlyMap<string, WrappingKey>;

  constructor(path: string, file: KeyFile) {
    this.#path = path;
    this.#newest = file.newest;
    this.#byId = byId(file);
  }

  get kekId(): string {
    return this.#newest.id;
  }

  async knows(kekId: string): Promise<boolean> {
    return (await this.#find(kekId)) !== undefined;
  }

  async wrap(dataKey: Uint8Array, context: WrapContext): Promise<WrappedKey> {
    // A key that was removed from the file must not wrap any more, because after the next start it unwraps
    // nothing.
    if (!(await this.#reread())) throw unavailable("The key file cannot be read, so nothing new is wrapped.");
    return { kekId: this.#newest.id, bytes: wrapKey(this.#newest, context, dataKey) };
  }

  async unwrap({ kekId, bytes }: WrappedKey, context: WrapContext): Promise<Uint8Array> {
    const key = await this.#find(kekId);
    if (key === undefined) {
      throw unavailable(
        `The key-encryption key ${kekId} is not in the key file. Restore the file that holds it.`,
      );
    }
    const dataKey = unwrapKey(key, context, bytes);
    if (dataKey === null) throw unavailable("The data key does not unwrap: it was altered, or moved.");
    return dataKey;
  }

  /** Finds a key that was added to the file after this process started. */
  async #find(kekId: string): Promise<WrappingKey | undefined> {
    const known = this.#byId.get(kekId);
    if (known !== undefined) return known;
    await this.#reread();
    return this.#byId.get(kekId);
  }

  /** @returns whether the file could be read; if not, the known keys stay. */
  async #reread(): Promise<boolean> {
    const file = await readKeyFile(this.#path).catch(() => null);
    if (file === null) return false;
    this.#newest = file.newest;
    this.#byId = byId(file);
    return true;
  }
}

function byId({ newest, older }: KeyFile): ReadonlyMap<string, WrappingKey> {
  return new Map([newest, ...older].map((key) => [key.id, key]));
}

function unavailable(detail: string): KeyholdError {
  return new KeyholdError("key_unavailable", detail);
}
