import { describe, expect, test } from "vitest";
import { runCli } from "../../../testkit/cli.ts";

/** Every command by its words, as the help pages name them. */
async function commandsBelow(words: readonly string[] = []): Promise<readonly (readonly string[])[]> {
  const { output } = await runCli([...words, "--help"]);
  const [, list = ""] = /\nCommands:\n([^]*?)(?:\n\n|$)/.exec(output) ?? [];
  const names = [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)].map(([, name = ""]) => name);
  const below = names.filter((name) => name !== "help").map((name) => commandsBelow([...words, name]));
  return [words, ...(await Promise.all(below)).flat()];
}

describe("every help page", async () => {
  const commands = await commandsBelow();

  test("is found", () => {
    expect(commands.length).toBeGreaterThan(75);
  });

  test.for(commands)("of keyhold %s ends with an example that it explains", async (words) => {
    const { output } = await runCli([...words, "--help"]);
    const [, line = ""] = /\nExample:\n {2}(keyhold.*)\n/.exec(output) ?? [];
    expect(line.startsWith(["keyhold", ...words].join(" "))).toBe(true);
    const shown = await runCli([...line.split(" ").slice(1).filter(isWord), "--help"]);
    for (const option of line.match(/(?<= )--[a-z-]+/g) ?? []) expect(shown.output).toContain(option);
  });
});

/** The words before the first argument or option of an example name a command or two. */
function isWord(word: string, at: number): boolean {
  return at < 2 && /^[a-z-]+$/.test(word) && !word.startsWith("--");
}
