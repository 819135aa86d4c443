import { z } from "zod";

/** The schemas that stand under a name in the OpenAPI document; no other registry counts. */
export const components = z.registry<{ id: string; example: unknown }>();

/** Gives a schema its name in the OpenAPI document and an example, which a test holds against the schema. */
export function component<S extends z.ZodType>(id: string, schema: S, example: z.input<S>): S {
  const named = schema.meta({ examples: [example] });
  components.add(named, { id, example });
  return named;
}
