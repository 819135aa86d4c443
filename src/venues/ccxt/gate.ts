import { z } from "zod";
import type { VenueCall } from "../adapter.ts";
import { exchangeTable } from "../exchanges/index.ts";
import { readRequestTables, type RequestClass, requestKey } from "../exchanges/request-table.ts";
import type { Operation } from "../operations.ts";
import { type HttpRequest, Withheld } from "../process/bounded-fetch.ts";
import type { OperationClass } from "../venue.ts";
import type { Exchange } from "./instance.ts";

/**
 * Lets only permitted requests leave an exchange of ccxt. A request is judged where it still has its name,
 * right before it is signed; what is sent must be what was signed, and once. Whatever would go another way is
 * not sent.
 */
export class Gate {
  readonly #permit: Permit;
  readonly #signed = new Map<string, number>();

  constructor(permit: Permit) {
    this.#permit = permit;
  }

  /** From now on, `exchange` signs nothing else. */
  watch(exchange: Exchange): void {
    const sign = exchange.sign.bind(exchange);
    exchange.sign = (path, api, method, ...rest) => {
      if (!this.#permit.has(requestKey(api, method, path))) {
        throw new Withheld("The request is none that this operation may send.");
      }
      const signed = sign(path, api, method, ...rest);
      this.#note(signed, 1);
      return signed;
    };
  }

  /** Throws `Withheld` for what was not signed. */
  guard(send: VenueCall["send"]): VenueCall["send"] {
    return async (request) => {
      if ((this.#signed.get(nameOf(request)) ?? 0) < 1) {
        throw new Withheld("The request was not signed as it would have been sent.");
      }
      this.#note(request, -1);
      return send(request);
    };
  }

  #note(request: Parameters<typeof nameOf>[0], change: number): void {
    const name = nameOf(request);
    this.#signed.set(name, (this.#signed.get(name) ?? 0) + change);
  }
}

function nameOf({ method, url }: Pick<HttpRequest, "method" | "url">): string {
  return `${method} ${url}`;
}

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

/**
 * What ccxt's method for an operation can send, less what its class does not allow. Nothing for an operation
 * that is not offered.
 */
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
 * Requests that code of ours names, at an exchange whose requests were classed: those that read, and those
 * that manage keys where that is the purpose. Throws `RangeError` for any other exchange.
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

/**
 * Requests by operation, from a file that `generate.ts` writes. The module loader keeps what was read once.
 */
async function readReach(id: string): Promise<Readonly<Record<string, readonly string[]>>> {
  const module: unknown = await import(new URL(`requests/${id}.json`, import.meta.url).href, {
    with: { type: "json" },
  });
  return reachFile.parse(module).default;
}
