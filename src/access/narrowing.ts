import { isIP } from "node:net";
import ipaddr from "ipaddr.js";
import { KeyholdError } from "../errors.ts";

/** How far a token or an API key reaches within the reach of its member. `null` is not narrowed. */
export type Narrowing = Readonly<{
  /** A credential is reached if it is listed here, or its account below. */
  credentials: readonly string[] | null;
  accounts: readonly string[] | null;
  /** The networks of its callers, such as `10.20.0.0/16`. */
  networks: readonly string[] | null;
}>;

export const notNarrowed: Narrowing = { credentials: null, accounts: null, networks: null };

/** The most ids or networks of one list. */
export const longestList = 100;

/** Whether it lists credentials or accounts. Such a caller has no rights that concern the whole tenant. */
export function namesSubjects({ credentials, accounts }: Narrowing): boolean {
  return credentials !== null || accounts !== null;
}

/**
 * The one spelling of a network or of a single address. `null` for anything else, also for a network with
 * bits beyond its prefix, which may be a mistake.
 */
export function canonicalNetwork(text: string): string | null {
  const [address = "", bits, ...rest] = text.split("/");
  if (rest.length > 0 || address.includes("%") || isIP(address) === 0) return null;
  const parsed = ipaddr.parse(address);
  const longest = parsed.kind() === "ipv4" ? 32 : 128;
  if (bits !== undefined && !/^\d{1,3}$/.test(bits)) return null;
  const prefix = bits === undefined ? longest : Number(bits);
  if (prefix > longest) return null;
  const network = `${parsed.toString()}/${prefix}`;
  const first = parsed.kind() === "ipv4" ? ipaddr.IPv4 : ipaddr.IPv6;
  return first.networkAddressFromCIDR(network).toString() === parsed.toString() ? network : null;
}

/**
 * An address for a comparison with networks: IPv4 in IPv6 becomes IPv4, and a zone is left out. `null` for
 * anything else.
 */
export function canonicalAddress(text: string | null): string | null {
  const address = text?.split("%")[0];
  return address === undefined || isIP(address) === 0 ? null : ipaddr.process(address).toString();
}

/**
 * Whether each address of the network is in one of the others; both in the spelling of `canonicalNetwork`.
 */
export function liesWithin(network: string, others: readonly string[]): boolean {
  const [address, prefix] = ipaddr.parseCIDR(network);
  return others.some((other) => {
    const [outer, bits] = ipaddr.parseCIDR(other);
    return bits <= prefix && address.kind() === outer.kind() && address.match(outer, bits);
  });
}

/** Throws `forbidden` for a caller outside the networks that its token or key is narrowed to. */
export function assertFrom({ networks }: Narrowing, address: string | null): void {
  if (networks === null) return;
  const from = canonicalAddress(address);
  if (from !== null && liesWithin(`${from}/${isIP(from) === 4 ? 32 : 128}`, networks)) return;
  throw new KeyholdError(
    "forbidden",
    "This token or API key may not be used from your address. Use it from one of the networks that it is narrowed to.",
    { facts: { reason: "narrowed" } },
  );
}
