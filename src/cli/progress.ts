import type { Terminal } from "./terminal.ts";

/** How far a long command has come: a bar where somebody watches, else a line at every tenth. */
export type Progress = Readonly<{ advance(): void; stop(summary: string): void }>;

export async function showProgress({ notes }: Terminal, label: string, total: number): Promise<Progress> {
  if (notes.isTTY === true) {
    const { progress } = await import("@clack/prompts");
    const bar = progress({ max: total, output: notes, withGuide: false });
    bar.start(label);
    return { advance: () => bar.advance(), stop: (summary) => bar.stop(summary) };
  }
  let done = 0;
  return {
    advance() {
      done += 1;
      if (Math.floor((done * 10) / total) > Math.floor(((done - 1) * 10) / total) && done < total)
        notes.write(`${label}: ${done} of ${total}\n`);
    },
    stop: (summary) => void notes.write(`${summary}\n`),
  };
}
