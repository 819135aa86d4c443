import { expect, test } from "vitest";
import { generateTypes } from "../../../client/generate.ts";

test("the types of the client are those of docs/openapi.json: npm run openapi writes them anew", async () => {
  await expect(await generateTypes()).toMatchFileSnapshot("../../../client/api.ts");
});
