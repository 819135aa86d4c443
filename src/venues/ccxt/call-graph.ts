/**
 * Reads the source of an exchange of ccxt: which requests each of its methods can make, in any market and
 * with any parameter.
 */
import { Exchange } from "ccxt";
import { parseSync } from "oxc-parser";
import { z } from "zod";
import { requestKey } from "./gate.ts";

/** Markets are loaded without a credential and shared, so what loads them is no part of an operation. */
const loadsMarkets = definitionOf(Exchange.prototype, "loadMarkets")?.body;

/**
 * `all`: every request of the exchange. `reach`: those that can follow from a call of a method; those of the
 * market lists follow from `loadMarkets` alone.
 */
export function callGraph(
  Class: new (config: object) => Exchange,
): Readonly<{ all: ReadonlySet<string>; reach(method: string): string[] }> {
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

/**
 * ccxt makes two implicit methods for each request of its table; where two requests give one name, the later
 * one counts.
 */
function listRequests(Class: Parameters<typeof callGraph>[0]) {
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

function definitionOf(from: object, name: string): Readonly<{ owner: object; body: Function }> | undefined {
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

/** What the body of one method names. */
type BodyNames = Readonly<{
  /** Members of the instance, called or not. */
  own: ReadonlySet<string>;
  /** Members of the class above. */
  above: ReadonlySet<string>;
  /** Whether a member is called by a name in a variable. */
  isDynamic: boolean;
  texts: ReadonlySet<string>;
  /** Texts that stand in a call of a member, with that member. */
  textsGiven: readonly (readonly [called: string, text: string])[];
}>;

const name = z.object({ type: z.literal("Identifier"), name: z.string() });
const text = z.object({ type: z.literal("Literal"), value: z.string() });
const member = z.object({
  type: z.literal("MemberExpression"),
  object: z.object({ type: z.enum(["ThisExpression", "Super"]) }),
  property: z.unknown(),
  computed: z.boolean(),
});
const call = z.object({ type: z.literal("CallExpression"), callee: member, arguments: z.array(z.unknown()) });

/** Throws `SyntaxError` for what is no method. */
function namesInBody(source: string): BodyNames {
  const { program, errors } = parseSync("method.js", `({ ${source} })`);
  if (errors.length > 0) throw new SyntaxError(`a method cannot be read: ${errors[0]?.message}`);
  const own = new Set<string>();
  const above = new Set<string>();
  const texts = new Set<string>();
  const textsGiven: (readonly [string, string])[] = [];
  let isDynamic = false;
  for (const node of nodesOf(program)) {
    if (node["type"] === "Literal") {
      const { data } = text.safeParse(node);
      if (data !== undefined) texts.add(data.value);
    } else if (node["type"] === "MemberExpression") {
      const { data } = member.safeParse(node);
      if (data === undefined) continue;
      const called = nameOf(data);
      if (called === undefined) isDynamic = true;
      else (data.object.type === "Super" ? above : own).add(called);
    } else if (node["type"] === "CallExpression") {
      const { data } = call.safeParse(node);
      const called = data && nameOf(data.callee);
      if (data === undefined || called === undefined) continue;
      for (const it of data.arguments) {
        const given = text.safeParse(it).data;
        if (given !== undefined) textsGiven.push([called, given.value]);
      }
    }
  }
  return { own, above, isDynamic, texts, textsGiven };
}

function nameOf({ property, computed }: z.infer<typeof member>): string | undefined {
  return computed ? text.safeParse(property).data?.value : name.safeParse(property).data?.name;
}

function* nodesOf(value: unknown): Generator<Readonly<Record<string, unknown>>> {
  if (Array.isArray(value)) {
    for (const part of value) yield* nodesOf(part);
  } else if (isNode(value)) {
    yield value;
    for (const part of Object.values(value)) yield* nodesOf(part);
  }
}

function isNode(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
