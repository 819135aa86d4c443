/** A program that tests need, and that does not come with npm. */
export type Tool = Readonly<{
  /** With its version. */
  name: string;
  /** Its folder in the cache. */
  folder: string;
  /** The program that runs it; `null` where this machine lacks it. Throws when another one is named that does not run. */
  find(): string | null;
  /** Whether the program that was found runs. An update of the machine can end that. */
  works(program: string): boolean;
  /** Printed before it is made. */
  announcement: string;
  /** Makes `folder` below an empty one and returns its path. Throws an error with the output of what failed. */
  make(scratch: string): string;
}>;

const modes = ["use", "required", "skip"] as const;

/**
 * How `KEYHOLD_TEST_TOOLS` has the tests with these tools run. `use`, the default: tests run with the tools that are installed.
 * `required`, as in continuous integration: a missing tool is a failure. `skip`: none of these tests runs. Throws for any other word.
 */
export function toolsMode(): (typeof modes)[number] {
  const value = process.env["KEYHOLD_TEST_TOOLS"] ?? "use";
  const mode = modes.find((each) => each === value);
  if (mode === undefined) throw new Error(`KEYHOLD_TEST_TOOLS is ${value}, and not ${modes.join(", ")}.`);
  return mode;
}
