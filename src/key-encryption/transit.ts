import { z } from "zod";
import { keyBytes } from "../crypto/aes-gcm.ts";
import { assertUuid, lengthPrefixed } from "../crypto/bytes.ts";
import { KeyholdError, StartError } from "../errors.ts";
import { StoreTrouble, deniedReasons, unavailableReasons } from "../remote/failure.ts";
import { assertMount, type VaultClient } from "../vault/client.ts";
import type { VaultAnswer } from "../vault/nodes.ts";
import type { KeyProvider, WrapContext, WrappedKey } from "./key-provider.ts";

export type TransitSettings = Readonly<{
  /** The mount of the Transit engine. */
  mount?: string | undefined;
  /** The name of a key of type `aes256-gcm96`, without derivation. */
  key?: string | undefined;
}>;

const format = "keyhold/transit-key/1";
const fingerprintLabel = "keyhold/key-fingerprint/1";
const word = /^[\w-]{1,128}$/;

const keyAnswer = z.object({
  data: z.object({
    type: z.string(),
    derived: z.boolean(),
    latest_version: z.number(),
    min_decryption_version: z.number(),
  }),
});
const hmacAnswer = z.object({ data: z.object({ hmac: z.string().regex(/^\w+:v\d+:[\w+/]{43}=$/) }) });
const encryptAnswer = z.object({ data: z.object({ ciphertext: z.string(), key_version: z.number() }) });
const decryptAnswer = z.object({ data: z.object({ plaintext: z.string() }) });

/**
 * Key-encryption keys in the Transit engine of Vault or OpenBao, which never leave it. The fingerprint of a
 * version of the key is the engine's HMAC of a fixed label under that version. The associated data binds
 * tenant and data key. Data keys travel as base64 in JSON, in strings that cannot be zeroed; this process
 * holds the keys anyway.
 *
 * Throws `StartError` when the key does not exist, or cannot bind what it wraps.
 */
export async function openTransitKeys(
  client: VaultClient,
  settings: TransitSettings = {},
): Promise<KeyProvider> {
  const { mount = "transit", key = "keyhold" } = settings;
  assertMount(mount);
  if (!word.test(key)) throw new StartError("The key of Transit must be a word.");
  const transit = new Transit(client, mount, key);
  await transit.open();
  return transit;
}

class Transit implements KeyProvider {
  readonly kind = "transit";
  readonly #client: VaultClient;
  readonly #mount: string;
  readonly #key: string;
  /** By version of the key. */
  readonly #fingerprints = new Map<number, string>();
  #newest = { version: 0, fingerprint: "" };

  constructor(client: VaultClient, mount: string, key: string) {
    this.#client = client;
    this.#mount = mount;
    this.#key = key;
  }

  get kekId(): string {
    return this.#newest.fingerprint;
  }

  async open(): Promise<void> {
    try {
      await this.#readKey();
    } catch (error) {
      if (!(error instanceof StoreTrouble) && !(error instanceof KeyholdError)) throw error;
      throw new StartError(`The key ${this.#key} of Transit cannot be used. ${sentenceOf(error)}`, {
        cause: error,
      });
    }
  }

  async knows(kekId: string): Promise<boolean> {
    const oldest = await this.#readKey().catch((error: unknown) => {
      throw error instanceof StoreTrouble ? unreachable(error) : error;
    });
    for (let version = this.#newest.version; version >= oldest; version -= 1)
      if ((await this.#fingerprint(version)) === kekId) return true;
    return false;
  }

  async wrap(dataKey: Uint8Array, context: WrapContext): Promise<WrappedKey> {
    const body = { plaintext: dataKey.toBase64(), associated_data: associatedData(context) };
    const { ciphertext, key_version } = parse(
      encryptAnswer,
      await this.#post(`encrypt/${this.#key}`, body),
    ).data;
    const fingerprint = await this.#fingerprint(key_version);
    // The key can be rotated in Vault without any message to Keyhold.
    if (key_version > this.#newest.version) this.#newest = { version: key_version, fingerprint };
    return { kekId: fingerprint, bytes: Buffer.from(ciphertext, "latin1") };
  }

  async unwrap({ kekId, bytes }: WrappedKey, context: WrapContext): Promise<Uint8Array> {
    const ciphertext = Buffer.from(bytes).toString("latin1");
    const version = Number(/^\w+:v([1-9]\d{0,8}):/.exec(ciphertext)?.[1]);
    if (!Number.isInteger(version)) throw altered();
    if ((await this.#fingerprint(version)) !== kekId)
      throw unavailable(`The key-encryption key ${kekId} is not the key ${this.#key} of Transit.`);
    const body = { ciphertext, associated_data: associatedData(context) };
    const answer = await this.#post(`decrypt/${this.#key}`, body);
    if (answer.status === 400) throw altered();
    return fromBase64(parse(decryptAnswer, answer).data.plaintext);
  }

  /** @returns the oldest version that unwraps. */
  async #readKey(): Promise<number> {
    const answer = await this.#client.call({ method: "GET", path: `${this.#mount}/keys/${this.#key}` });
    if (answer.status === 404) throw new StartError(`Transit has no key ${this.#key}. Create it first.`);
    const { type, derived, latest_version, min_decryption_version } = parse(keyAnswer, answer).data;
    if (type !== "aes256-gcm96" || derived) {
      throw new StartError(
        `The key ${this.#key} of Transit must be of type aes256-gcm96, without derivation.`,
      );
    }
    this.#newest = { version: latest_version, fingerprint: await this.#fingerprint(latest_version) };
    return min_decryption_version;
  }

  async #fingerprint(version: number): Promise<string> {
    const known = this.#fingerprints.get(version);
    if (known !== undefined) return known;
    const body = { input: Buffer.from(fingerprintLabel).toBase64(), key_version: version };
    const answer = await this.#post(`hmac/${this.#key}/sha2-256`, body);
    if (answer.status === 400)
      throw unavailable(`The key ${this.#key} of Transit has no version ${version} any more.`);
    const { hmac } = parse(hmacAnswer, answer).data;
    const fingerprint = Buffer.from(hmac.split(":")[2] ?? "", "base64")
      .toString("hex")
      .slice(0, 32);
    this.#fingerprints.set(version, fingerprint);
    return fingerprint;
  }

  async #post(path: string, body: object): Promise<VaultAnswer> {
    try {
      return await this.#client.call({ method: "POST", path: `${this.#mount}/${path}`, body });
    } catch (error) {
      if (!(error instanceof StoreTrouble)) throw error;
      throw unreachable(error);
    }
  }
}

/** Under another tenant or data key the wrapped bytes do not authenticate. */
function associatedData({ tenantId, dataKeyId }: WrapContext): string {
  assertUuid(tenantId, "tenantId");
  assertUuid(dataKeyId, "dataKeyId");
  return lengthPrefixed([format, tenantId, dataKeyId]).toBase64();
}

function parse<T>(schema: z.ZodType<T>, { status, body }: VaultAnswer): T {
  const parsed = schema.safeParse(body);
  if (status === 200 && parsed.success) return parsed.data;
  throw unavailable("Transit did not do what it was asked. Compare its key and its policy with the guide.");
}

/** An ArrayBuffer of its own is off the moving heap, so that zeroing leaves no copy. */
function fromBase64(text: string): Uint8Array {
  const key = new Uint8Array(new ArrayBuffer(keyBytes));
  const { read, written } = key.setFromBase64(text);
  if (read !== text.length || written !== keyBytes) throw altered();
  return key;
}

function sentenceOf(error: StoreTrouble | KeyholdError): string {
  if (error instanceof KeyholdError) return error.detail;
  const { answer } = error;
  return answer.outcome === "denied" ? deniedReasons[answer.reason] : unavailableReasons[answer.reason];
}

function unreachable(cause: StoreTrouble): KeyholdError {
  return unavailable("The key-encryption key cannot be reached. Try again later.", cause);
}

function altered(): KeyholdError {
  return unavailable("The data key does not unwrap: it was altered, or moved.");
}

function unavailable(detail: string, cause?: unknown): KeyholdError {
  return new KeyholdError("key_unavailable", detail, { cause });
}
