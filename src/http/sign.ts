import { createHash } from "node:crypto";
import { lengthPrefixed } from "../crypto/bytes.ts";

/** A MAC under a key of the tenant, for one purpose. */
export type TenantMac = (tenantId: string, purpose: string, bytes: Uint8Array) => Promise<Uint8Array>;

/** 32 bytes by which something is recognised; `null` is the operator, who belongs to no tenant. */
export type Sign = (tenantId: string | null, purpose: string, bytes: Uint8Array) => Promise<Uint8Array>;

/**
 * The operator has no tenant's key, and needs none: what an operator sends holds no secret, and the lists of the operator have
 * no page that it may not see. A plain hash is enough to notice a change there.
 */
export function signer(mac: TenantMac): Sign {
  return async (tenantId, purpose, bytes) => {
    if (tenantId !== null) return mac(tenantId, purpose, bytes);
    return createHash("sha256")
      .update(lengthPrefixed([purpose]))
      .update(bytes)
      .digest();
  };
}
