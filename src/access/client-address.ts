import ipaddr from "ipaddr.js";

/**
 * What of an address stands for one client: the whole of an IPv4 address, and the first 64 bits of an IPv6 address, because a client that has
 * one of those has all that begin alike (RFC 6177).
 */
export function clientOf(address: string): string {
  if (!ipaddr.isValid(address)) return "unknown";
  const parsed = ipaddr.process(address);
  if (parsed instanceof ipaddr.IPv6) return `${parsed.parts.slice(0, 4).join(":")}/64`;
  return parsed.toString();
}
