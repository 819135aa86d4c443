import { CliError } from "./errors.ts";
import type { Terminal } from "./terminal.ts";
import { canAsk } from "./terminal.ts";

/** Asks for one value that is not shown while it is typed. Throws `CliError` when the person gives up. */
export async function askHidden({ input, notes }: Terminal, name: string): Promise<string> {
  const { isCancel, password } = await import("@clack/prompts");
  const answer = await password({
    message: name,
    mask: "",
    input,
    output: notes,
    withGuide: false,
    validate: (value) =>
      value === undefined || value === "" ? "type a value, or press Ctrl-C to give up" : undefined,
  });
  if (isCancel(answer)) throw givenUp();
  return answer;
}

/**
 * Asks before something that cannot be taken back. Where nobody can be asked the command goes on: a script means what it says.
 * Throws `CliError` for anything but a yes.
 */
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

function givenUp(): CliError {
  return new CliError("interrupted", "given up, nothing was sent");
}
