/** Reads the source of an exchange of ccxt: which requests each of its methods can make, in any market and with any parameter. */
import { Exchange } from "ccxt";
import { type BodyNames, namesInBody } from "./method-body.ts";
import { requestKey } from "../exchanges/request-table.ts";

type ExchangeClass = new (config: object) => Exchange;
type Definition = Readonly<{ owner: object; body: Function }>;

export type CallGraph = Readonly<{
  /** Every request of the exchange. */
  all: ReadonlySet<string>;
  /** Requests that can follow from a call of this method. Those of the market lists follow from `loadMarkets` alone. */
  reach(method: string): string[];
}>;

/** Markets are loaded without a credential and shared, so what loads them is no part of an operation. */
const loadsMarkets = definitionOf(Exchange.prototype, "loadMarkets")?.body;

export function callGraph(Class: ExchangeClass): CallGraph {
  const { exchange, all, byName } = listRequests(Class);
  const root: object = Object.getPrototypeOf(exchange);
  return {
    all,
    reach(method) {
      const found = new Set<string>();
      const seen = new Set<unknown>();
      visit(root, method);
      return [...found].toSorted();

      function visit(from: object, name: string): void {
        const request = byName.get(name);
        if (request !== undefined) found.add(request);
        const defined = definitionOf(from, name);
        if (defined === undefined || seen.has(defined.body)) return;
        seen.add(defined.body);
        if (defined.body === loadsMarkets && name !== method) return;
        const names = namesOf(defined.body);
        for (const other of names.own) visit(root, other);
        for (const other of names.above) visit(Object.getPrototypeOf(defined.owner), other);
        // Where a method is called by a name in a variable, any text may be that name.
        if (names.isDynamic) for (const text of names.texts) visit(root, text);
        for (const [called, text] of names.textsGiven) {
          const helper = definitionOf(root, called);
          if (helper !== undefined && namesOf(helper.body).isDynamic) visit(root, text);
        }
      }
    },
  };
}

/** ccxt makes two implicit methods for each request of its table; where two requests give one name, the later one counts. */
function listRequests(Class: ExchangeClass) {
  const all = new Set<string>();
  const byName = new Map<string, string>();
  class Listed extends Class {
    override defineRestApiEndpoint(
      requester: string,
      verb: string,
      lower: string,
      camel: string,
      path: string,
      api: string[],
      config?: object,
    ): void {
      const request = requestKey(api, verb, path);
      all.add(request);
      const names: object = Object.create(this);
      super.defineRestApiEndpoint.call(names, requester, verb, lower, camel, path, api, config);
      for (const name of Object.keys(names)) byName.set(name, request);
    }
  }
  return { exchange: new Listed({}), all, byName };
}

function definitionOf(from: object, name: string): Definition | undefined {
  let owner: unknown = from;
  while (typeof owner === "object" && owner !== null && owner !== Object.prototype) {
    const value: unknown = Object.getOwnPropertyDescriptor(owner, name)?.value;
    if (typeof value === "function") return { owner, body: value };
    owner = Object.getPrototypeOf(owner);
  }
  return undefined;
}

const known = new WeakMap<Function, BodyNames>();

function namesOf(body: Function): BodyNames {
  const names = known.get(body) ?? namesInBody(String(body));
  known.set(body, names);
  return names;
}
