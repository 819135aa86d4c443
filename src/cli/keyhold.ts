import { run } from "./program.ts";

const { stdin, stdout, stderr } = process;

// `keyhold audit list | head` closes the pipe early; that is no error.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

process.exitCode = await run(process.argv.slice(2), { input: stdin, output: stdout, notes: stderr });
