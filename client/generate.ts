import { readFile } from "node:fs/promises";
import openapiTS, { astToString, COMMENT_HEADER } from "openapi-typescript";

/** The types of `docs/openapi.json`, as `api.ts` holds them. */
export async function generateTypes(): Promise<string> {
  const text = await readFile(new URL("../docs/openapi.json", import.meta.url), "utf8");
  const document = JSON.stringify(JSON.parse(text, withoutProblemsAndExamples));
  const types = await openapiTS(document, { rootTypes: true, rootTypesNoSchemaPrefix: true });
  return COMMENT_HEADER + astToString(types);
}

/**
 * A client throws problems, so that no type of an answer needs them; examples would triple the length of the
 * file.
 */
function withoutProblemsAndExamples(key: string, value: unknown): unknown {
  if (key === "example" || key === "examples") return undefined;
  if (key !== "responses" || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).filter(([status]) => status.startsWith("2")));
}
