import { spawn } from "node:child_process";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, it } from "vitest";

async function linesOf(end: string): Promise<readonly unknown[]> {
  const file = join(import.meta.dirname, "log-lines.ts");
  const child = spawn(process.execPath, [file, end], { stdio: ["ignore", "pipe", "ignore"] });
  const written = await text(child.stdout);
  return written.split("\n").map((line): unknown => (line === "" ? null : JSON.parse(line)));
}

it.each(["return", "exit", "throw"])(
  "every line is written, whole and in order, by a program that ends with %s in the same turn",
  async (end) => {
    const counted = [1, 2, 3].map((count) => expect.objectContaining({ message: "a line", count }));

    expect(await linesOf(end)).toEqual([...counted, null]);
  },
);
