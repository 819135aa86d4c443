import { asSealed, EnvelopeError, isFieldName, type Sealed } from "../crypto/envelope.ts";
import { packRecord } from "../crypto/packed-fields.ts";
import { answered, denied, throwUnavailable } from "../remote/failure.ts";
import type { VaultClient } from "../vault/client.ts";
import { type KeyValues, VersionedKeyValues } from "../vault/key-values.ts";
import {
  assertRef,
  compare,
  type GetResult,
  type PutResult,
  type SealedFields,
  type SecretRef,
  type Store,
} from "./store.ts";

const defaultKeptVersions = 1000;
/** How many numbers one write skips, at some milliseconds each; another attempt continues from there. */
const mostSkipped = 100;

type Place = Readonly<{ path: string; version: number; keptVersions: number }>;

/**
 * Sealed secrets in HashiCorp Vault or OpenBao, in a key-value engine of version 2. A credential is a path,
 * and version n of the path is version n of the credential. A write with `cas` n − 1 succeeds once, and the
 * version is read and destroyed by its number. Each field is one value, the base64 of its sealed bytes.
 * Throws `StartError` for a path that cannot be a mount.
 */
export function createVaultStore(
  client: VaultClient,
  options: Readonly<{
    /** The mount of the key-value engine. */
    mount?: string;
    /** How many versions a path keeps; raised where a version that is in force would be removed. */
    keptVersions?: number;
  }> = {},
): Store {
  const { mount = "secret", keptVersions = defaultKeptVersions } = options;
  const engine = new VersionedKeyValues(client, mount);
  return {
    name: "vault",
    capabilities: { writes: true },
    put: async (ref, fields) => {
      const place = { path: pathOf(ref), version: ref.version, keptVersions };
      return answered(() => put(engine, place, fields));
    },
    get: async (ref) => {
      const path = pathOf(ref);
      return answered(async () => decode(await engine.read(path, ref.version)));
    },
    destroy: async (ref) => {
      const path = pathOf(ref);
      return answered(async () => {
        await engine.destroy(path, [ref.version]);
        return { outcome: "destroyed" } as const;
      });
    },
    health: () =>
      answered(async () => {
        await engine.check();
        return { outcome: "healthy" } as const;
      }),
  };
}

function pathOf(ref: SecretRef): string {
  assertRef(ref);
  return `tenants/${ref.tenantId}/exchanges/${ref.venue}/${ref.environment}/${ref.credentialId}`;
}

async function put(
  engine: VersionedKeyValues,
  { path, version, keptVersions }: Place,
  fields: SealedFields,
): Promise<PutResult> {
  const values = encode(fields);
  if (version === 1) await engine.configure(path, keptVersions);
  if (await engine.write(path, version - 1, values)) return { outcome: "written" };
  await skipTo(engine, { path, version, keptVersions });
  if (await engine.write(path, version - 1, values)) return { outcome: "written" };
  // The number is taken, by an earlier attempt of this write whose answer was lost, or by another write.
  const present = decode(await engine.read(path, version));
  if (present.outcome !== "found") return { outcome: "conflict" };
  return compare(packRecord(present.fields), packRecord(fields));
}

/**
 * Uses up the free numbers below this version with empty values. They belong to writes that failed before
 * they came here, or that are slower than this one and then find their numbers taken.
 */
async function skipTo(engine: VersionedKeyValues, place: Place): Promise<void> {
  const { path, version } = place;
  const before = await engine.readMetadata(path);
  const end = Math.min(version - 1, before.current + mostSkipped);
  if (before.current >= end) return;
  await keepLive(engine, place, before);
  // One after the other, so that a process that dies here leaves at most one number that is not destroyed.
  for (let current = before.current; current < end; current += 1)
    if (await engine.write(path, current, {})) await engine.destroy(path, [current + 1]);
  if (end < version - 1) throwUnavailable("overloaded");
}

/** Raises the number of kept versions, so that a write removes no version that is not destroyed. */
async function keepLive(
  engine: VersionedKeyValues,
  place: Place,
  { live, maxVersions }: Awaited<ReturnType<VersionedKeyValues["readMetadata"]>>,
): Promise<void> {
  const { path, version, keptVersions } = place;
  const needed = version - Math.min(version, ...live) + keptVersions;
  if (maxVersions < needed) await engine.configure(path, needed);
}

function encode(fields: SealedFields): KeyValues {
  return Object.fromEntries([...fields].map(([name, sealed]) => [name, sealed.toBase64()]));
}

/** A version without a value is a skipped number. */
function decode(values: KeyValues | null): GetResult {
  const entries = Object.entries(values ?? {});
  if (entries.length === 0) return { outcome: "absent" };
  const fields = new Map<string, Sealed>();
  for (const [name, value] of entries) {
    const sealed = fromBase64(value);
    if (sealed === null || !isFieldName(name)) return denied("foreign");
    fields.set(name, sealed);
  }
  return { outcome: "found", fields };
}

function fromBase64(value: unknown): Sealed | null {
  if (typeof value !== "string") return null;
  try {
    return asSealed(Uint8Array.fromBase64(value, { lastChunkHandling: "strict" }));
  } catch (error) {
    if (error instanceof EnvelopeError || error instanceof SyntaxError) return null;
    throw error;
  }
}
