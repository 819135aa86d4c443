import { availableParallelism, totalmem } from "node:os";
import type { Environment } from "./venue.ts";

/** What an operator may set about venues; the only place besides code that names a venue's host. */
export type VenuesConfig = Readonly<{
  /** Bound of one call, over headers and body of all its requests. */
  timeoutMs?: number;
  /** Bound of one answer's body after decompression. */
  maxBodyBytes?: number;
  /** Child processes in which venue code runs for all tenants. One more stands ready, and up to two more serve suspects. */
  processes?: number;
  /** A process that has grown to this size is replaced when it has finished what it began. */
  processMemoryBytes?: number;
  /** Calls that one tenant may have under way at once, in all processes together. */
  callsPerTenant?: number;
  /** Outbound HTTP proxy by venue id. */
  proxies?: Readonly<Record<string, string>>;
  /** The addresses that venues see, for all venues or by venue id; named in an IP refusal. */
  egressAddresses?: readonly string[] | Readonly<Record<string, readonly string[]>>;
  /** Base URL by venue id, or by venue id and environment: replaces the host that code would call. */
  hosts?: Readonly<Record<string, string | Readonly<Partial<Record<Environment, string>>>>>;
}>;

export type VenueSettings = Required<VenuesConfig>;

/** The market lists that a process keeps take some 100 MB for a large exchange. */
const usualProcessMemory = 1536 * 1024 * 1024;

/**
 * One process for each processor, two at least, and no more than half of the memory of this machine holds.
 */
function usualProcesses(processMemoryBytes: number): number {
  const limit = process.constrainedMemory();
  const memory = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  const fitting = Math.floor(memory / 2 / processMemoryBytes);
  return Math.max(2, Math.min(availableParallelism(), fitting));
}

/** Fills in defaults. Throws `RangeError` for a bound or a number that makes no sense. */
export function venueSettings(config: VenuesConfig): VenueSettings {
  const settings = {
    timeoutMs: 10_000,
    // The largest answer that is read is a market list; Binance's is about 20 MB.
    maxBodyBytes: 64 * 1024 * 1024,
    processes: usualProcesses(config.processMemoryBytes ?? usualProcessMemory),
    processMemoryBytes: usualProcessMemory,
    // Below the 64 connections that a process opens to one host, so that one tenant leaves some to the
    // others.
    callsPerTenant: 32,
    proxies: {},
    egressAddresses: [],
    hosts: {},
    ...config,
  };
  if (!(settings.timeoutMs >= 1)) throw new RangeError("timeoutMs must be at least 1");
  if (!(settings.maxBodyBytes >= 1024)) throw new RangeError("maxBodyBytes must be at least 1024");
  for (const name of ["processes", "processMemoryBytes", "callsPerTenant"] as const) {
    const value = settings[name];
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`${name} must be a whole number from 1`);
  }
  return settings;
}

/** The addresses from which `venue` sees Keyhold; empty when the operator has not said. */
export function egressAddresses(config: VenuesConfig, venue: string): readonly string[] {
  const all = config.egressAddresses ?? [];
  return isList(all) ? all : (all[venue] ?? []);
}

/** The operator's base URL for a venue, `undefined` where its own host is called. */
export function hostOf(config: VenuesConfig, venue: string, environment: Environment): string | undefined {
  const host = config.hosts?.[venue];
  return typeof host === "string" ? host : host?.[environment];
}

// Array.isArray does not narrow a readonly array.
function isList(
  value: readonly string[] | Readonly<Record<string, readonly string[]>>,
): value is readonly string[] {
  return Array.isArray(value);
}
