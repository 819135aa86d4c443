import type { Readable, Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
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

/** To the beginning of the line, and nothing on it. */
const clearLine = "\r\u001B[K";

/**
 * It only writes. A progress bar that reads the keyboard, as those of libraries do, takes Ctrl-C from the
 * command.
 */
export function showProgress({ notes }: Terminal, label: string, total: number) {
  let done = 0;
  const drawn = notes.isTTY === true;
  const draw = (): void => void notes.write(`${clearLine}${label}: ${done} of ${total}`);
  if (drawn) draw();
  return {
    advance(): void {
      done += 1;
      if (drawn) draw();
      else if (isTenth(done, total)) notes.write(`${label}: ${done} of ${total}\n`);
    },
    stop: (summary: string) => void notes.write(`${drawn ? clearLine : ""}${summary}\n`),
  };
}

/** The summary reports the end. */
function isTenth(done: number, total: number): boolean {
  return done < total && Math.floor((done * 10) / total) > Math.floor(((done - 1) * 10) / total);
}

/** What a person did: typed or pasted some text, or pressed a key that has a meaning. */
export type Key =
  | Readonly<{ kind: "typed"; text: string }>
  | Readonly<{ kind: "pasted"; text: string }>
  | Readonly<{ kind: "enter" }>
  | Readonly<{ kind: "erase" }>
  | Readonly<{ kind: "clear" }>
  | Readonly<{ kind: "cancel" }>;

const escape = "\u001B";

/** Bracketed paste, as xterm has it: the terminal says where a paste begins and where it ends. */
const paste = { on: "\u001B[?2004h", off: "\u001B[?2004l", begin: "\u001B[200~", end: "\u001B[201~" };
/** No secret is so long; what is pasted by mistake may be. */
const longestInput = 65_536;
/** A paste comes without pauses; over a slow line there are short ones between its lines. */
const quietMs = 300;

const keys: Readonly<Record<string, Key>> = {
  "\r": { kind: "enter" },
  "\n": { kind: "enter" },
  "\u007F": { kind: "erase" },
  "\b": { kind: "erase" },
  "\u0015": { kind: "clear" },
  "\u0003": { kind: "cancel" },
  "\u0004": { kind: "cancel" },
};

/**
 * A terminal that shows nothing of what is typed, key by key. What is left unread when it is released goes
 * nowhere.
 */
export class Keyboard implements AsyncDisposable {
  readonly #terminal: Terminal;
  readonly #decoder = new StringDecoder("utf8");
  #unread = "";
  #ended = false;
  #wake: () => void = () => {};

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    const { input, notes } = terminal;
    input.setRawMode?.(true);
    input.on("data", this.#take);
    input.once("end", this.#end);
    input.resume();
    notes.write(paste.on);
  }

  async next(): Promise<Key> {
    for (;;) {
      const key = this.#read();
      if (key !== undefined) return key;
      if (this.#ended || this.#unread.length > longestInput) return { kind: "cancel" };
      await this.#more();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { input, notes } = this.#terminal;
    while (!this.#ended && (await this.#more(quietMs))) this.#unread = "";
    this.#unread = "";
    notes.write(paste.off);
    input.off("data", this.#take);
    input.off("end", this.#end);
    input.pause();
    input.setRawMode?.(false);
  }

  readonly #take = (chunk: Buffer | string): void => {
    this.#unread += typeof chunk === "string" ? chunk : this.#decoder.write(chunk);
    this.#wake();
  };

  readonly #end = (): void => {
    this.#ended = true;
    this.#wake();
  };

  /** Resolves when something arrives, and with false when nothing has for so long. */
  #more(withinMs?: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = withinMs === undefined ? undefined : setTimeout(() => resolve(false), withinMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  /** Takes one key from what has arrived; `undefined` until a whole one is there. */
  #read(): Key | undefined {
    for (;;) {
      if (this.#unread.startsWith(paste.begin)) return this.#readPaste();
      if (this.#unread.startsWith(escape)) {
        const sequence = sequenceAt(this.#unread);
        if (sequence === undefined) return undefined;
        this.#unread = this.#unread.slice(sequence.length);
        continue;
      }
      const { text } = /^(?<text>[^\p{Cc}]+)/u.exec(this.#unread)?.groups ?? {};
      const taken = text ?? (this.#unread.startsWith("\r\n") ? "\r\n" : this.#unread.slice(0, 1));
      if (taken === "") return undefined;
      this.#unread = this.#unread.slice(taken.length);
      if (text !== undefined) return { kind: "typed", text };
      const key = keys[taken.slice(0, 1)];
      if (key !== undefined) return key;
    }
  }

  #readPaste(): Key | undefined {
    const end = this.#unread.indexOf(paste.end);
    if (end === -1) return undefined;
    const text = this.#unread.slice(paste.begin.length, end);
    this.#unread = this.#unread.slice(end + paste.end.length);
    return { kind: "pasted", text: text.replaceAll(/\r\n?/g, "\n") };
  }
}

/**
 * The control sequence (ECMA-48 §5.4) that `text` begins with, which stands for a key without a meaning here.
 */
function sequenceAt(text: string): string | undefined {
  const behind = text.slice(escape.length);
  const [whole] = /^(?:\[[ -?]*[@-~]|O.|[^[O\p{Cc}])/u.exec(behind) ?? [];
  if (whole !== undefined) return escape + whole;
  return /^(?:\[[ -?]*|O?)$/.test(behind) ? undefined : escape;
}
