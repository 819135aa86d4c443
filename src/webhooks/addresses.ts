import ipaddr from "ipaddr.js";

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Whether something may be sent to an address. */
export type Permits = (address: string, port: number, protocol: "http:" | "https:") => boolean;

/**
 * Ports of public addresses: a receiver is a web server, and Keyhold must not be used to probe other servers.
 */
const publicPorts: readonly number[] = [443, 8443];

/**
 * Global unicast, as IANA has allocated it so far: any other IPv6 address stands for an IPv4 address, a
 * tunnel or nothing.
 */
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");

/** An address that looks public but belongs to a cloud: Azure's WireServer. */
const exceptions: readonly string[] = ["168.63.129.16"];

/**
 * Permits public addresses by https, and the operator's `networks`, such as `10.20.0.0/16`, by http too and
 * at any port. Every other address is refused: private, loopback and link-local ones, those of carriers, of
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
