import type { Terminal } from "./terminal.ts";

/** How far a long command has come: one line that is drawn anew where somebody watches, else a line at every tenth. */
export type Progress = Readonly<{ advance(): void; stop(summary: string): void }>;

/** To the beginning of the line, and nothing on it. */
const anew = "\r\u001B[K";

/** It only writes: who reads the keyboard meanwhile, as bars of libraries do, takes Ctrl-C from the command. */
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

/** The end is told by the summary. */
function isTenth(done: number, total: number): boolean {
  return done < total && Math.floor((done * 10) / total) > Math.floor(((done - 1) * 10) / total);
}
