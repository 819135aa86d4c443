import { createHash } from "node:crypto";
import { lengthPrefixed } from "../crypto/bytes.ts";

/** 32 bytes that authenticate something for one purpose. `null` is the operator, who belongs to no tenant. */
export type Sign = (tenantId: string | null, purpose: string, bytes: Uint8Array) => Promise<Uint8Array>;

/**
 * A member's bytes get a MAC under its tenant's key. The operator has no such key and needs none: an
 * operator's requests hold no secret, and it may see every page of its lists. A plain hash is enough to
 * notice a change there.
 */
export function signer(
  mac: (tenantId: string, purpose: string, bytes: Uint8Array) => Promise<Uint8Array>,
): Sign {
  return async (tenantId, purpose, bytes) => {
    if (tenantId !== null) return mac(tenantId, purpose, bytes);
    return createHash("sha256")
      .update(lengthPrefixed([purpose]))
      .update(bytes)
      .digest();
  };
}
