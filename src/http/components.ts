import { z } from "zod";

/** The schemas that have a name in the OpenAPI document. */
export const components = z.registry<{ id: string; example: unknown; examples?: Examples }>();

/** Examples of the OpenAPI document, by name. */
export type Examples = Readonly<Record<string, Readonly<{ value: unknown }>>>;

/** Replaces the one example of a body by an example of each of its forms. */
export function showExamples<T>(
  schema: z.ZodType,
  of: Readonly<Record<string, T>>,
  show: (one: T, name: string) => unknown,
): void {
  const known = components.get(schema);
  if (known === undefined) throw new Error("only a component has examples");
  const examples = Object.fromEntries(
    Object.entries(of).map(([name, one]) => [name, { value: show(one, name) }]),
  );
  components.add(schema, { ...known, examples });
}

/**
 * Gives a schema its name in the OpenAPI document and an example; a test holds every example against its
 * schema.
 */
export function component<S extends z.ZodType>(id: string, schema: S, example: z.input<S>): S {
  return named(id, schema, example);
}

/** A page of a list, newest first, under its name in the document. */
export function listOf<S extends z.ZodType>(id: string, item: S, example: z.input<S>) {
  const page = z.object({
    items: z.array(item),
    next_cursor: z
      .string()
      .nullable()
      .meta({ description: "Pass it as `cursor` to get the next page; null on the last page" }),
    count: z.int().meta({ description: "Number of items on this page" }),
  });
  return named(id, page, { items: [example], next_cursor: null, count: 1 });
}

function named<S extends z.ZodType>(id: string, schema: S, example: unknown): S {
  const described = schema.meta({ examples: [example] });
  components.add(described, { id, example });
  return described;
}
