import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Says whether something may be sent to an address. */
export type Permits = (address: string, port: number, protocol: "http:" | "https:") => boolean;

/** Of public addresses these ports alone: a receiver is a web server, and nobody uses Keyhold to look for other servers. */
const publicPorts: readonly number[] = [443, 8443];

/** Global unicast, as IANA has allocated it so far: whatever is not in here stands for an IPv4 address, a tunnel or nobody. */
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");

/** Addresses that look public and are a cloud's own: Azure's WireServer. */
const exceptions: readonly string[] = ["168.63.129.16"];

/**
 * Public addresses by https, and the operator's `networks`, such as `10.20.0.0/16`, by http too and at any port. Everything that
 * is not an address of the public internet is refused: private, loopback and link-local ones, those of carriers, of
 * documentation and of clouds' metadata, and IPv6 addresses that stand for IPv4 ones.
 */
export function permitting(networks: readonly string[], ports: readonly number[] = publicPorts): Permits {
  const allowed = networks.map(parseNetwork);
  return (text, port, protocol) => {
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.parse(text);
    if (allowed.some((network) => isWithin(address, network))) return true;
    return protocol === "https:" && ports.includes(port) && isPublic(address);
  };
}

function parseNetwork(text: string): [Address, number] {
  if (text.includes("/")) return ipaddr.parseCIDR(text);
  const address = ipaddr.parse(text);
  return [address, address.kind() === "ipv4" ? 32 : 128];
}

function isWithin(address: Address, [network, bits]: [Address, number]): boolean {
  return address.kind() === network.kind() && address.match(network, bits);
}

function isPublic(address: Address): boolean {
  if (address.range() !== "unicast" || exceptions.includes(address.toString())) return false;
  return address.kind() === "ipv4" || address.match(globalUnicast);
}
