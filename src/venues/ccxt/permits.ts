import { z } from "zod";
import { type RequestClass, readRequestTables } from "../exchanges/request-table.ts";
import { exchangeTable } from "../exchanges/index.ts";
import type { Operation } from "../operations.ts";
import type { OperationClass } from "../venue.ts";

/** The requests that may leave under one call, as `requestKey` names them. */
export type Permit = ReadonlySet<string>;

const reading: readonly RequestClass[] = ["public", "read"];

/** A setting is no part of an operation: no operation here needs to change one. */
const classesOf: Readonly<Record<OperationClass, readonly RequestClass[]>> = {
  read: reading,
  trade: [...reading, "trade"],
  transfer: [...reading, "transfer"],
  withdraw: [...reading, "withdraw"],
};

/** What ccxt's method for an operation can send, less what its class does not allow. Nothing for an operation that is not offered. */
export async function operationPermit(
  id: string,
  operation: Pick<Operation, "name" | "class">,
): Promise<Permit> {
  const { [operation.name]: reached = [] } = await readReach(id);
  const allowed = await allowedBy(id, classesOf[operation.class]);
  return new Set(
    reached.filter(allowed ?? (() => operation.class === "read" || operation.class === "trade")),
  );
}

/** The lists of markets, which are loaded without a credential. */
export async function marketsPermit(id: string): Promise<Permit> {
  const { loadMarkets = [] } = await readReach(id);
  const allowed = await allowedBy(id, reading);
  return new Set(allowed === undefined ? loadMarkets : loadMarkets.filter(allowed));
}

/**
 * Requests that code of ours names, at an exchange whose requests were classed: those that read, and those that manage keys where that
 * is the purpose. Throws `RangeError` for any other exchange.
 */
export async function namedPermit(id: string, purpose: "read" | "keys"): Promise<Permit> {
  const reviewed = exchangeTable.get(id)?.requests;
  if (reviewed === undefined) throw new RangeError(`the requests of ${id} have no classes`);
  const classes: readonly RequestClass[] = purpose === "keys" ? [...reading, "keys"] : reading;
  const table = await tableOf(reviewed.tables);
  return new Set([...table].flatMap(([request, its]) => (classes.includes(its) ? [request] : [])));
}

async function allowedBy(
  id: string,
  classes: readonly RequestClass[],
): Promise<((request: string) => boolean) | undefined> {
  const reviewed = exchangeTable.get(id)?.requests;
  if (reviewed === undefined) return undefined;
  const table = await tableOf(reviewed.tables);
  return (request) => {
    const its = table.get(request);
    return its !== undefined && classes.includes(its);
  };
}

const tables = new Map<string, ReturnType<typeof readRequestTables>>();

function tableOf(names: readonly string[]): ReturnType<typeof readRequestTables> {
  const key = names.join();
  const table = tables.get(key) ?? readRequestTables(names);
  tables.set(key, table);
  return table;
}

const reachFile = z.object({ default: z.record(z.string(), z.array(z.string())) });

/** Requests by operation, from a file that `generate.ts` writes. The module loader keeps what was read once. */
async function readReach(id: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const module: unknown = await import(new URL(`requests/${id}.json`, import.meta.url).href, {
    with: { type: "json" },
  });
  return reachFile.parse(module).default;
}
