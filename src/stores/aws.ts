import type { SecretsManager } from "../aws/client.ts";
import { isNamed } from "../aws/errors.ts";
import { packRecord, type PackedRecord } from "../crypto/packed-fields.ts";
import { answered } from "../remote/failure.ts";
import {
  assertRef,
  compare,
  found,
  type GetResult,
  type PutResult,
  type SecretRef,
  type Store,
} from "./store.ts";

/**
 * Sealed secrets in AWS Secrets Manager. Each version is a secret of its own, because the service cannot
 * destroy a single version of a secret, and removes old versions by itself.
 */
export function createAwsStore(
  manager: SecretsManager,
  options: Readonly<{
    /** The beginning of all names, to which a policy can be limited. */
    prefix?: string;
    /** The KMS key that encrypts the sealed bytes once more; the default key of the account when left out. */
    kmsKeyId?: string;
  }> = {},
): Store {
  const { prefix = "keyhold", kmsKeyId } = options;
  const nameOf = (ref: SecretRef): string => `${prefix}/${pathOf(ref)}`;
  return {
    name: "aws",
    capabilities: { writes: true },
    put: async (ref, fields) => {
      const name = nameOf(ref);
      const sealed = packRecord(fields);
      return answered(() => put(manager, name, sealed, kmsKeyId));
    },
    get: async (ref) => {
      const name = nameOf(ref);
      return answered(() => get(manager, name));
    },
    destroy: async (ref) => {
      const name = nameOf(ref);
      return answered(() => destroy(manager, name));
    },
    health: () =>
      answered(async () => {
        // The secret does not exist, and the service says so only to a client that may read below the prefix.
        await get(manager, `${prefix}/health`);
        return { outcome: "healthy" } as const;
      }),
  };
}

function pathOf(ref: SecretRef): string {
  assertRef(ref);
  const { tenantId, venue, environment, credentialId, version } = ref;
  return `tenants/${tenantId}/exchanges/${venue}/${environment}/${credentialId}/${version}`;
}

async function put(
  manager: SecretsManager,
  name: string,
  sealed: PackedRecord,
  kmsKeyId: string | undefined,
): Promise<PutResult> {
  const created = await manager.call<PutResult | "exists">(
    async ({ sdk, client }, options) => {
      const request = {
        Name: name,
        SecretBinary: sealed,
        ...(kmsKeyId === undefined ? {} : { KmsKeyId: kmsKeyId }),
      };
      await client.send(new sdk.CreateSecretCommand(request), options);
      return { outcome: "written" };
    },
    (error) => {
      if (isNamed(error, "ResourceExistsException")) return "exists";
      return isMarkedForDeletion(error) ? { outcome: "conflict" } : undefined;
    },
  );
  if (created !== "exists") return created;
  return compare((await read(manager, name)) ?? undefined, sealed);
}

async function get(manager: SecretsManager, name: string): Promise<GetResult> {
  const bytes = await read(manager, name);
  return bytes === null ? { outcome: "absent" } : found(bytes);
}

/**
 * `null` when the secret does not exist. Keyhold writes no text, so a text reads as bytes that are no packed
 * record.
 */
async function read(manager: SecretsManager, name: string): Promise<Uint8Array | null> {
  const answer = await manager.call<{ bytes: Uint8Array | null }>(
    async ({ sdk, client }, options) => {
      const secret = await client.send(new sdk.GetSecretValueCommand({ SecretId: name }), options);
      return { bytes: secret.SecretBinary ?? new Uint8Array() };
    },
    (error) =>
      isNamed(error, "ResourceNotFoundException") || isMarkedForDeletion(error) ? { bytes: null } : undefined,
  );
  return answer.bytes;
}

async function destroy(manager: SecretsManager, name: string) {
  return manager.call(
    async ({ sdk, client }, options) => {
      const request = { SecretId: name, ForceDeleteWithoutRecovery: true };
      await client.send(new sdk.DeleteSecretCommand(request), options);
      return { outcome: "destroyed" } as const;
    },
    (error) =>
      isNamed(error, "ResourceNotFoundException") ? ({ outcome: "destroyed" } as const) : undefined,
  );
}

/**
 * Another user has deleted it with a recovery window. It cannot be read, and its name cannot be used, until
 * that ends.
 */
function isMarkedForDeletion(error: unknown): boolean {
  return (
    isNamed(error, "InvalidRequestException") &&
    error instanceof Error &&
    /(marked|scheduled) (for deletion|deleted)/.test(error.message)
  );
}
