import type * as Sdk from "@aws-sdk/client-kms";
import { type AwsSettings, clientOptions, defaultDeadlineMs } from "../aws/settings.ts";
import { assertUuid } from "../crypto/bytes.ts";
import { KeyholdError, StartError } from "../errors.ts";
import type { KeyProvider, WrapContext, WrappedKey } from "./key-provider.ts";

type Kms = Readonly<{ sdk: typeof Sdk; client: Sdk.KMSClient; deadlineMs: number }>;

/**
 * Key-encryption keys in AWS KMS, which never leave it, each known by its ARN. The encryption context binds
 * tenant and data key. It contains ids only, because CloudTrail shows it unencrypted. Data keys travel as
 * base64 in JSON, in strings of the SDK that cannot be zeroed; this process holds the keys anyway.
 *
 * Loads the SDK. Throws `StartError` when a key is missing, switched off, or not one that encrypts.
 */
export async function openAwsKms(
  settings: AwsSettings &
    Readonly<{
      /** Ids, ARNs or aliases of symmetric keys, newest first: the newest wraps, and each of them unwraps. */
      keys: readonly string[];
    }>,
): Promise<KeyProvider & Readonly<{ close(): void }>> {
  const options = clientOptions(settings);
  const sdk = await import("@aws-sdk/client-kms");
  const { deadlineMs = defaultDeadlineMs } = settings;
  const kms = { sdk, client: new sdk.KMSClient(options), deadlineMs };
  const [newest, ...older] = await Promise.all(settings.keys.map((key) => findKey(kms, key)));
  if (newest === undefined) throw new StartError("No key of AWS KMS is configured.");
  const known = new Set([newest, ...older]);
  return {
    kind: "aws-kms",
    kekId: newest,
    knows: async (kekId) => known.has(kekId),
    wrap: async (dataKey, context) => ({ kekId: newest, bytes: await wrap(kms, newest, dataKey, context) }),
    unwrap: async (wrapped, context) => {
      if (!known.has(wrapped.kekId))
        throw unavailable(
          `The key-encryption key ${wrapped.kekId} is not among the configured keys of AWS KMS.`,
        );
      return unwrap(kms, wrapped, context);
    },
    close: () => kms.client.destroy(),
  };
}

/** The ARN of a key, because an alias can be pointed to another key at any time. */
async function findKey({ sdk, client, deadlineMs }: Kms, key: string): Promise<string> {
  const options = { abortSignal: AbortSignal.timeout(deadlineMs) };
  const described = await client
    .send(new sdk.DescribeKeyCommand({ KeyId: key }), options)
    .catch((error: unknown) => {
      throw new StartError(`The key ${key} of AWS KMS is not there, or may not be described.`, {
        cause: error,
      });
    });
  const { Arn, Enabled, KeySpec, KeyUsage } = described.KeyMetadata ?? {};
  if (Arn === undefined || Enabled !== true)
    throw new StartError(`The key ${key} of AWS KMS is switched off. Enable it, or take it out of the list.`);
  if (KeySpec !== "SYMMETRIC_DEFAULT" || KeyUsage !== "ENCRYPT_DECRYPT")
    throw new StartError(`The key ${key} of AWS KMS is not a symmetric key for encryption.`);
  return Arn;
}

async function wrap(
  { sdk, client, deadlineMs }: Kms,
  key: string,
  dataKey: Uint8Array,
  context: WrapContext,
): Promise<Uint8Array> {
  const request = { KeyId: key, Plaintext: dataKey, EncryptionContext: encryptionContext(context) };
  const options = { abortSignal: AbortSignal.timeout(deadlineMs) };
  const { CiphertextBlob } = await client.send(new sdk.EncryptCommand(request), options).catch(unreachable);
  return CiphertextBlob ?? unreachable(null);
}

async function unwrap(
  { sdk, client, deadlineMs }: Kms,
  { kekId, bytes }: WrappedKey,
  context: WrapContext,
): Promise<Uint8Array> {
  const request = { KeyId: kekId, CiphertextBlob: bytes, EncryptionContext: encryptionContext(context) };
  const options = { abortSignal: AbortSignal.timeout(deadlineMs) };
  try {
    const { Plaintext } = await client.send(new sdk.DecryptCommand(request), options);
    return Plaintext ?? unreachable(null);
  } catch (error) {
    if (error instanceof sdk.InvalidCiphertextException || error instanceof sdk.IncorrectKeyException)
      throw unavailable("The data key does not unwrap: it was altered, or moved.", error);
    return unreachable(error);
  }
}

function encryptionContext({ tenantId, dataKeyId }: WrapContext): Record<string, string> {
  assertUuid(tenantId, "tenantId");
  assertUuid(dataKeyId, "dataKeyId");
  return { "keyhold:tenant": tenantId, "keyhold:data-key": dataKeyId };
}

function unreachable(cause: unknown): never {
  throw unavailable("The key-encryption key cannot be reached. Try again later.", cause);
}

function unavailable(detail: string, cause?: unknown): KeyholdError {
  return new KeyholdError("key_unavailable", detail, { cause });
}
