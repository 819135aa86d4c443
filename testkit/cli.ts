import { Readable, Writable } from "node:stream";
import { run } from "../src/cli/program.ts";

export type Ran = Readonly<{ code: number; output: string; notes: string }>;

/** Runs one command of `keyhold` in this process, with nobody at its terminal. */
export async function runCli(
  argv: readonly string[],
  options: Readonly<{ environment?: Readonly<Record<string, string>>; input?: string | Uint8Array }> = {},
): Promise<Ran> {
  const output = collect();
  const notes = collect();
  const input = Readable.from(options.input === undefined ? [] : [Buffer.from(options.input)]);
  const terminal = { input, output: output.stream, notes: notes.stream };
  const code = await run(argv, terminal, options.environment ?? {});
  return { code, output: output.text(), notes: notes.text() };
}

/** A stream that keeps what is written to it. */
export function collect(): Readonly<{ stream: Writable; text(): string }> {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString("utf8") };
}
