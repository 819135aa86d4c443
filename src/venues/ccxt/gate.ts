import { z } from "zod";
import type { VenueCall } from "../adapter.ts";
import { exchangeTable } from "../exchanges/index.ts";
import type { Operation } from "../operations.ts";
import { type HttpRequest, Withheld } from "../process/bounded-fetch.ts";
import type { OperationClass } from "../venue.ts";
import type { ApiRequest, Exchange } from "./instance.ts";

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

/** A request as ccxt names it: section of its API, verb, and path before parameters are put into it. */
export function requestKey(api: ApiRequest["api"], verb: string, path: string): string {
  const section = typeof api === "string" ? api : api.join(".");
  return `${section} ${verb} ${path}`;
}

/**
 * What a request does to an account. The class does not follow from the verb: `public` needs no key · `read`
 * changes nothing, or opens a stream · `trade` places, changes and cancels orders, and converts · `setting`
 * is how an account trades, borrows, lends and earns · `transfer` moves money between accounts of one owner ·
 * `withdraw` moves it to any other person, under whatever name · `keys` makes and changes API keys,
 * sub-accounts and lists of addresses.
 */
const requestClasses = ["public", "read", "trade", "setting", "transfer", "withdraw", "keys"] as const;
type RequestClass = (typeof requestClasses)[number];

/** Class → section of the API and verb → paths, as they stand in the files of `exchanges`. */
const requestFile = z.record(z.enum(requestClasses), z.record(z.string(), z.array(z.string())));

/** The class of every request in these tables. Throws `RangeError` where a request stands twice. */
export async function readRequestTables(
  names: readonly string[],
): Promise<ReadonlyMap<string, RequestClass>> {
  const classes = new Map<string, RequestClass>();
  for (const table of names) {
    for (const [request, its] of await requestsOf(table)) {
      if (classes.has(request)) throw new RangeError(`${table} has ${request} twice`);
      classes.set(request, its);
    }
  }
  return classes;
}

async function requestsOf(table: string): Promise<(readonly [string, RequestClass])[]> {
  const module: unknown = await import(new URL(`../exchanges/${table}.json`, import.meta.url).href, {
    with: { type: "json" },
  });
  const { default: byClass } = z.object({ default: requestFile }).parse(module);
  return requestClasses.flatMap((its) =>
    Object.entries(byClass[its]).flatMap(([group, paths]) => {
      const [section = "", verb = ""] = group.split(" ");
      return paths.map((path) => [requestKey(section, verb, path), its] as const);
    }),
  );
}
