import type { VaultAuth } from "../config/stores.ts";
import { guardedUrl } from "../config/values.ts";
import { StartError } from "../errors.ts";

export type VaultSettings = Readonly<{
  /** URLs of all nodes: https, or http to this machine. No other node gets a request. */
  addresses: readonly string[];
  auth: VaultAuth;
  namespace?: string | undefined;
  /** Authorities that sign the certificates of the nodes (PEM), in place of those that Node trusts. */
  ca?: string | undefined;
  /** Milliseconds for one call with all its attempts. */
  deadlineMs?: number | undefined;
  /** Milliseconds for one node to connect, and to continue its answer, before the next node is asked. */
  attemptMs?: number | undefined;
}>;

/**
 * The origins of the nodes. Throws `StartError` for an address that is no origin, or that the token could be
 * read from: secrets are sealed on the way, but the token is not.
 */
export function originsOf(addresses: readonly string[]): readonly string[] {
  if (addresses.length === 0) throw new StartError("No address of Vault is configured.");
  return addresses.map((address) => {
    if (!guardedUrl.safeParse(address).success) {
      throw new StartError("An address of Vault must be an https URL, or an http URL of this machine.");
    }
    const { origin, pathname, search, username, password } = new URL(address);
    if (pathname !== "/" || search !== "" || username !== "" || password !== "") {
      throw new StartError("An address of Vault must be a scheme, a host and a port, and nothing else.");
    }
    return origin;
  });
}
