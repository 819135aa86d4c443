import { expect, it } from "vitest";
import { components } from "../../../src/http/components.ts";
import { createRoutes } from "../../../src/http/routes/index.ts";

/** A schema becomes a component when the file of its route is loaded. */
const isLoaded = typeof createRoutes === "function";
const named = Array.from(components._idmap, ([id, schema]) => ({
  id,
  schema,
  example: components.get(schema)?.example,
}));

it.each(named)("the example of $id is one that the API would accept or give", ({ example, schema }) => {
  expect(schema.safeParse(example).error?.issues).toBeUndefined();
});

it("every component is among them", () => {
  expect(isLoaded).toBe(true);
  expect(named.length).toBeGreaterThan(25);
});
