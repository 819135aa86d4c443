/** A program that tests need and that not every machine has: what runs it, or `null`. */
export type Tool = string | null;

/**
 * Says in one line that the tests of a tool are skipped. Where `KEYHOLD_TEST_TOOLS` is `required`, as in continuous integration,
 * nothing may be skipped: there it throws.
 */
export function orSkip(tool: Tool, name: string, remedy: string): Tool {
  if (tool !== null) return tool;
  const line = `${name} is not on this machine, so its tests are skipped. ${remedy}`;
  if (process.env["KEYHOLD_TEST_TOOLS"] === "required") throw new Error(line);
  process.stderr.write(`${line}\n`);
  return null;
}
