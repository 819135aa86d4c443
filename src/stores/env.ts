import { packRecord } from "../crypto/packed-fields.ts";
import { denied } from "../remote/failure.ts";
import { assertRef, found, type GetResult, type SealedFields, type SecretRef, type Store } from "./store.ts";

/**
 * Sealed secrets in the environment of the process, as a read-only fallback for look-ups. A change is
 * `denied`: a variable that is still set would come back with the next start.
 */
export function createEnvStore(variables: Readonly<Record<string, string | undefined>>): Store {
  const readOnly = denied("read_only");
  return {
    name: "env",
    capabilities: { writes: false },
    put: async () => readOnly,
    get: async (ref) => get(variables, ref),
    destroy: async (ref) =>
      variables[variableName(ref)] === undefined ? { outcome: "destroyed" } : readOnly,
    health: async () => ({ outcome: "healthy" }),
  };
}

/** The variable for one version, as an operator must set it. */
export function describeVariable(
  ref: SecretRef,
  fields: SealedFields,
): Readonly<{ name: string; value: string }> {
  return { name: variableName(ref), value: packRecord(fields).toBase64() };
}

function get(variables: Parameters<typeof createEnvStore>[0], ref: SecretRef): GetResult {
  const value = variables[variableName(ref)];
  if (value === undefined) return { outcome: "absent" };
  const bytes = decode(value);
  return bytes === null ? denied("foreign") : found(bytes);
}

function decode(value: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(value, { lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}

/** `KEYHOLD_SEALED_`, tenant and credential in hexadecimal, and the version. */
function variableName(ref: SecretRef): string {
  assertRef(ref);
  const [tenant, credential] = [ref.tenantId, ref.credentialId].map((id) =>
    id.replaceAll("-", "").toUpperCase(),
  );
  return `KEYHOLD_SEALED_${tenant}_${credential}_${ref.version}`;
}
