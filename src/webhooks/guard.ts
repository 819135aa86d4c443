import type { LookupAddress, LookupOptions } from "node:dns";
import { Resolver } from "node:dns/promises";
import { isIP, type LookupFunction } from "node:net";
import { callbackify } from "node:util";
import { Agent, buildConnector, type Dispatcher } from "undici";
import { KeyholdError } from "../errors.ts";
import { permitting, type Permits } from "./addresses.ts";

/** Nothing was dialled: the name has no address, or none that may be sent to. Which of the two stays inside. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
}

/** Stands between webhooks and the network. */
export type Guard = Readonly<{
  /** Connects to permitted addresses alone; requests to any other fail with `AddressRefused`. */
  dispatcher: Dispatcher;
  /** The URL as it is kept. Throws `malformed` for one that nothing would be sent to. */
  acceptUrl(text: string): Promise<string>;
  close(): Promise<void>;
}>;

type Names = Pick<Resolver, "resolve4" | "resolve6">;

export type GuardOptions = Readonly<{
  /** Networks of the operator's own that receivers may be in, besides the public internet. */
  networks: readonly string[];
  /** Ports of public addresses that may be sent to. */
  ports?: readonly number[];
  /** Asks for the addresses of names. */
  names?: Names;
}>;

const connectWithinMs = 5000;
/** Receivers behind one name share so many connections. */
const connectionsPerOrigin = 16;

/**
 * What decides is the address that is dialled, at the moment in which it is dialled: a name is resolved once, what may not be sent
 * to is taken out, and the connection is made to what is left. So it does not matter what a name stood for when it was checked,
 * or how an address is spelled. Proxies of the environment are not used, and no redirect is followed.
 */
export function createGuard({ networks, ports, names = dns() }: GuardOptions): Guard {
  const permits = permitting(networks, ports);
  const resolve = callbackify((target: Target) => permittedAddresses(names, permits, target));
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

/** DNS alone, over sockets: a look-up through the system could hold one of the few threads that the whole process shares. */
function dns(): Resolver {
  return new Resolver({ timeout: 2000, tries: 2 });
}

type Target = Readonly<{ hostname: string; port: string; protocol: string }>;

/** Throws `AddressRefused` when there is none. */
async function permittedAddresses(
  names: Names,
  permits: Permits,
  target: Target,
): Promise<readonly LookupAddress[]> {
  const protocol = target.protocol === "https:" ? "https:" : "http:";
  const port = target.port === "" ? { "http:": 80, "https:": 443 }[protocol] : Number(target.port);
  const all = await addressesOf(names, target.hostname.replace(/^\[(.*)\]$/, "$1"));
  const permitted = all.filter(({ address }) => permits(address, port, protocol));
  if (permitted.length === 0) throw new AddressRefused();
  return permitted;
}

async function addressesOf(names: Names, host: string): Promise<readonly LookupAddress[]> {
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

/** Answers every look-up with these addresses. */
function answering(addresses: readonly LookupAddress[]): LookupFunction {
  return (_name: string, { all }: LookupOptions, done) => {
    const [first] = addresses;
    if (all === true) done(null, [...addresses]);
    else done(null, first?.address ?? "", first?.family);
  };
}

function parseUrl(text: string): URL {
  if (!URL.canParse(text)) throw refused("It is no URL.");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw refused("It must begin with https://.");
  if (url.username !== "" || url.password !== "") {
    throw refused("It must hold no user name and no password: messages are signed instead.");
  }
  url.hash = "";
  url.hostname = url.hostname.replace(/\.$/, "");
  return url;
}

/** One sentence, whatever the reason: names and addresses of the operator's own network are nobody's business. */
function unreachable(): KeyholdError {
  return refused(
    "Messages are sent by https, to port 443 or 8443 of public addresses, and this host has none now. A receiver elsewhere is the operator's to allow.",
  );
}

function refused(why: string): KeyholdError {
  return new KeyholdError("malformed", `The URL cannot be that of a receiver. ${why}`);
}
