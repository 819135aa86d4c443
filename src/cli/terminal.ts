import type { Readable, Writable } from "node:stream";

type Tty = Readonly<{ isTTY?: boolean }>;

/** The three streams of a command. Results go to `output` alone, so that they can be piped; all else goes to `notes`. */
export type Terminal = Readonly<{
  input: Readable & Tty & Readonly<{ setRawMode?(on: boolean): unknown }>;
  output: Writable & Tty;
  notes: Writable & Tty;
}>;

/** Whether somebody is there to be asked. Questions are put on `notes`, so `output` may be a pipe. */
export function canAsk({ input, notes }: Terminal): boolean {
  return input.isTTY === true && notes.isTTY === true;
}
