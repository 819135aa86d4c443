import { parseSync } from "oxc-parser";
import { z } from "zod";

/** What the body of one method names. */
export type BodyNames = Readonly<{
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
export function namesInBody(source: string): BodyNames {
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
