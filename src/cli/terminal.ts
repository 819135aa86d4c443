import type { Readable, Writable } from "node:stream";
import { CliError } from "./errors.ts";

type Tty = Readonly<{ isTTY?: boolean }>;

/**
 * The three streams of a command. Results go to `output` alone, so that they can be piped; all else goes to
 * `notes`.
 */
export type Terminal = Readonly<{
  input: Readable & Tty & Readonly<{ setRawMode?(on: boolean): unknown }>;
  output: Writable & Tty;
  notes: Writable & Tty;
}>;

/** Whether a person is there to answer. Questions go to `notes`, so that `output` may be a pipe. */
export function canAsk({ input, notes }: Terminal): boolean {
  return input.isTTY === true && notes.isTTY === true;
}

/**
 * Asks before plaintext is shown. Without a terminal the command goes on. Throws `CliError` for anything but
 * a yes.
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

/**
 * Asks before something is destroyed for good, unless `yes` says that it is meant. Without a terminal `yes`
 * is required: a loop over lines takes anything for an id. Throws `CliError`.
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

/**
 * The progress of a long command: on a terminal one line that is drawn again and again, otherwise a line at
 * every tenth.
 */
export type Progress = Readonly<{ advance(): void; stop(summary: string): void }>;

/** To the beginning of the line, and nothing on it. */
const anew = "\r\u001B[K";

/**
 * It only writes. A progress bar that reads the keyboard, as those of libraries do, takes Ctrl-C from the
 * command.
 */
export function showProgress({ notes }: Terminal, label: string, total: number): Progress {
  let done = 0;
  const drawn = notes.isTTY === true;
  const draw = (): void => void notes.write(`${anew}${label}: ${done} of ${total}`);
  if (drawn) draw();
  return {
    advance() {
      done += 1;
      if (drawn) draw();
      else if (isTenth(done, total)) notes.write(`${label}: ${done} of ${total}\n`);
    },
    stop: (summary) => void notes.write(`${drawn ? anew : ""}${summary}\n`),
  };
}

/** The summary reports the end. */
function isTenth(done: number, total: number): boolean {
  return done < total && Math.floor((done * 10) / total) > Math.floor(((done - 1) * 10) / total);
}
