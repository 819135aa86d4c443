import type { LookupAddress, LookupOptions } from "node:dns";
import { Resolver } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { callbackify } from "node:util";
import ipaddr from "ipaddr.js";
import { Agent, buildConnector, type Dispatcher } from "undici";
import { KeyholdError } from "../errors.ts";

/**
 * No connection was made: the name has no address, or none that is permitted. Which of the two is not shown.
 */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
}

/** Decides which addresses webhooks may be sent to. */
export type Guard = Readonly<{
  /** Connects only to permitted addresses; requests to any other fail with `AddressRefused`. */
  dispatcher: Dispatcher;
  /** The URL as it is stored. Throws `malformed` for a URL that may not be sent to. */
  acceptUrl(text: string): Promise<string>;
  close(): Promise<void>;
}>;

export type GuardOptions = Readonly<{
  /** The operator's networks that receivers may be in, besides the public internet. */
  networks: readonly string[];
  /** Permitted ports of public addresses. */
  ports?: readonly number[];
  /** Resolves names. */
  names?: Pick<Resolver, "resolve4" | "resolve6">;
}>;

const connectWithinMs = 5000;
/** Receivers behind one name share these connections. */
const connectionsPerOrigin = 16;

/**
 * Checks the address that is dialled, at the moment of the connection: a name is resolved once, addresses
 * that are not permitted are removed, and the connection is made to one of the rest. So it does not matter
 * what a name resolved to when it was checked, or how an address is spelled. No proxy of the environment is
 * used, and no redirect is followed.
 */
export function createGuard({ networks, ports, names = dns() }: GuardOptions): Guard {
  const permits = permitting(networks, ports);
  const resolve = callbackify((target: Pick<URL, "hostname" | "port" | "protocol">) =>
    permittedAddresses(names, permits, target),
  );
  const connect: buildConnector.connector = (options, callback) =>
    resolve(options, (error: Error | null, addresses) => {
      if (error !== null) return callback(error, null);
      const lookup = answering(addresses);
      buildConnector({ timeout: connectWithinMs, allowH2: false, lookup })(options, callback);
    });
  const dispatcher = new Agent({ connect, connections: connectionsPerOrigin, allowH2: false });
  return {
    dispatcher,
    async acceptUrl(text) {
      const url = parseUrl(text);
      await permittedAddresses(names, permits, url).catch(() => {
        throw unreachable();
      });
      return url.href;
    },
    close: () => dispatcher.destroy(),
  };
}

/** DNS only, over sockets: a look-up through the system could block one of the few threads of the process. */
function dns(): Resolver {
  return new Resolver({ timeout: 2000, tries: 2 });
}

/** Throws `AddressRefused` if there is none. */
async function permittedAddresses(
  names: Pick<Resolver, "resolve4" | "resolve6">,
  permits: ReturnType<typeof permitting>,
  target: Pick<URL, "hostname" | "port" | "protocol">,
): Promise<readonly LookupAddress[]> {
  const protocol = target.protocol === "https:" ? "https:" : "http:";
  const port = target.port === "" ? { "http:": 80, "https:": 443 }[protocol] : Number(target.port);
  const all = await addressesOf(names, target.hostname.replace(/^\[(.*)\]$/, "$1"));
  const permitted = all.filter(({ address }) => permits(address, port, protocol));
  if (permitted.length === 0) throw new AddressRefused();
  return permitted;
}

async function addressesOf(
  names: Pick<Resolver, "resolve4" | "resolve6">,
  host: string,
): Promise<readonly LookupAddress[]> {
  const family = isIP(host);
  if (family !== 0) return [{ address: host, family }];
  const [six, four] = await Promise.all([names.resolve6(host).catch(none), names.resolve4(host).catch(none)]);
  return [
    ...six.map((address) => ({ address, family: 6 })),
    ...four.map((address) => ({ address, family: 4 })),
  ];
}

function none(): string[] {
  return [];
}

/** A look-up that returns these addresses for every name. */
function answering(addresses: readonly LookupAddress[]): LookupFunction {
  return (_name: string, { all }: LookupOptions, done) => {
    const [first] = addresses;
    if (all === true) done(null, [...addresses]);
    else done(null, first?.address ?? "", first?.family);
  };
}

function parseUrl(text: string): URL {
  if (!URL.canParse(text)) throw refused("It is not a URL.");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refused("It must begin with https://.");
  if (url.username !== "" || url.password !== "") {
    throw refused("It must not contain a user name or password: messages are signed instead.");
  }
  url.hash = "";
  url.hostname = url.hostname.replace(/\.$/, "");
  return url;
}

/**
 * One sentence, whatever the reason, because names and addresses of the operator's network are not disclosed.
 */
function unreachable(): KeyholdError {
  return refused(
    "Messages are sent by https to port 443 or 8443 of public addresses, and this host has none. The operator can allow other receivers.",
  );
}

function refused(why: string): KeyholdError {
  return new KeyholdError("malformed", `This URL cannot receive webhooks. ${why}`);
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

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
function permitting(
  networks: readonly string[],
  ports: readonly number[] = publicPorts,
): (address: string, port: number, protocol: "http:" | "https:") => boolean {
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
