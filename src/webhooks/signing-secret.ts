import { createHmac } from "node:crypto";
import { lengthPrefixed } from "../crypto/bytes.ts";
import type { DataKeySource } from "../key-encryption/key-provider.ts";

/** One of a webhook's secrets: numbers count from 1, and a rotation takes the next. */
export type SecretOf = Readonly<{ tenantId: string; webhookId: string; number: number }>;

/**
 * 32 bytes that only this installation can make. They are derived again for each use, so the secret of a
 * webhook is stored nowhere. The tenant's key for MACs is never rotated. Throws `key_unavailable`.
 */
async function deriveSecret(
  keys: Pick<DataKeySource, "mac">,
  { tenantId, webhookId, number }: SecretOf,
): Promise<Uint8Array> {
  return keys.mac(tenantId, "webhook secret", lengthPrefixed([webhookId, String(number)]));
}

/**
 * The secret in the form that receivers configure: `whsec_` and 32 bytes in base64. Throws `key_unavailable`.
 */
export async function showSecret(keys: Pick<DataKeySource, "mac">, which: SecretOf): Promise<string> {
  const secret = await deriveSecret(keys, which);
  try {
    return `whsec_${Buffer.from(secret.buffer, secret.byteOffset, secret.byteLength).toString("base64")}`;
  } finally {
    secret.fill(0);
  }
}

/** The signature, which covers id, time and payload, of a message under one of its webhook's secrets. Throws `key_unavailable`. */
export async function signWith(
  keys: Pick<DataKeySource, "mac">,
  which: SecretOf,
  message: Readonly<{ messageId: string; seconds: number; payload: string }>,
): Promise<string> {
  const secret = await deriveSecret(keys, which);
  try {
    return signMessage(secret, message);
  } finally {
    secret.fill(0);
  }
}

/**
 * Standard Webhooks, symmetric signature: HMAC-SHA-256 over `id.timestamp.payload`, in base64, after its
 * version.
 */
export function signMessage(
  secret: Uint8Array,
  { messageId, seconds, payload }: Readonly<{ messageId: string; seconds: number; payload: string }>,
): string {
  const mac = createHmac("sha256", secret).update(`${messageId}.${seconds}.${payload}`).digest("base64");
  return `v1,${mac}`;
}
