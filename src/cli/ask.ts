import { CliError } from "./errors.ts";
import { canAsk, type Terminal } from "./terminal.ts";

/** Asks before plaintext is shown. Where nobody can be asked the command goes on. Throws `CliError` for anything but a yes. */
export async function confirm(terminal: Terminal, question: string): Promise<void> {
  if (!canAsk(terminal)) return;
  const { confirm: ask } = await import("@clack/prompts");
  const { input, notes } = terminal;
  const answer = await ask({
    message: question,
    initialValue: false,
    input,
    output: notes,
    withGuide: false,
  });
  if (answer !== true) throw givenUp();
}

/**
 * Asks before something is destroyed for good, unless `yes` says that it is meant. Where nobody can be asked it must say so: a loop
 * over lines takes anything for an id. Throws `CliError`.
 */
export async function confirmDestruction(
  terminal: Terminal,
  yes: true | undefined,
  ask: () => Promise<string>,
): Promise<void> {
  if (yes === true) return;
  const question = await ask();
  if (canAsk(terminal)) return confirm(terminal, question);
  throw new CliError("usage", "there is no terminal to ask at, and nothing was changed", {
    detail: question,
    hint: "add --yes if that is meant",
  });
}

/** The person pressed Ctrl-C, or said no. */
export function givenUp(): CliError {
  return new CliError("interrupted", "given up, nothing was sent");
}
