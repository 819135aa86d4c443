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

/** The person pressed Ctrl-C, or said no. */
export function givenUp(): CliError {
  return new CliError("interrupted", "given up, nothing was sent");
}
