/** A program that tests need and that not every machine has: what runs it, or `null`. */
export type Tool = string | null;

/**
 * Tests with such a program run where `KEYHOLD_TEST_TOOLS` is `use`, or `required`: there none may be skipped, and a missing one
 * throws. Anywhere else, and where it is missing, one line says that they are skipped.
 */
export function orSkip(tool: Tool, name: string, remedy: string): Tool {
  const wanted = process.env["KEYHOLD_TEST_TOOLS"];
  if (tool !== null && (wanted === "use" || wanted === "required")) return tool;
  const line =
    tool === null
      ? `${name} is not on this machine, so its tests are skipped. ${remedy}`
      : `The tests with ${name} are skipped: KEYHOLD_TEST_TOOLS=use runs them.`;
  if (wanted === "required") throw new Error(line);
  process.stderr.write(`${line}\n`);
  return null;
}
