/** A program that tests need, and that does not come with npm. */
export type Tool = Readonly<{
  /** With its version. */
  name: string;
  /** Where it lies in the cache. */
  folder: string;
  /** What runs it; `null` where it is not on this machine. Throws when another one is named that does not run. */
  find(): string | null;
  /** Whether what was found runs, which an update of the machine can end. */
  works(program: string): boolean;
  /** What it takes to make it, in words. */
  needs: string;
  /** Whether that is on this machine. */
  canBeMade(): boolean;
  /** Said before it is made. */
  announcement: string;
  /** Makes `folder` below an empty one, and answers where. Throws when that fails, with what was said. */
  make(scratch: string): string;
}>;

const modes = ["use", "required", "skip"] as const;

/**
 * What `KEYHOLD_TEST_TOOLS` says of the tests with these tools: `use` them where they are, the default; `required`, as in continuous
 * integration: a missing one is a failure; `skip` these tests, for a quick run. Throws for any other word.
 */
export function toolsMode(): (typeof modes)[number] {
  const value = process.env["KEYHOLD_TEST_TOOLS"] ?? "use";
  const mode = modes.find((each) => each === value);
  if (mode === undefined) throw new Error(`KEYHOLD_TEST_TOOLS is ${value}, and not ${modes.join(", ")}.`);
  return mode;
}
