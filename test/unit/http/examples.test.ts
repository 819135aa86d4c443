import { expect, it } from "vitest";
import { z } from "zod";
import { components } from "../../../src/http/schemas.ts";

// A schema becomes a component when the file of its route is loaded.
await import("../../../src/http/routes/index.ts");

const named = new Map<string, Readonly<{ id: string; example: unknown; schema: z.core.$ZodType }>>();
z.toJSONSchema(components, {
  io: "input",
  override: ({ zodSchema: schema }) => {
    const known = components.get(schema);
    if (known !== undefined) named.set(known.id, { id: known.id, example: known.example, schema });
  },
});

it.each([...named.values()])(
  "the example of $id is one that the API would accept or give",
  ({ example, schema }) => {
    expect(z.safeParse(schema, example).error?.issues).toBeUndefined();
  },
);

it("every component is among them", () => {
  expect(named.size).toBeGreaterThan(40);
});
