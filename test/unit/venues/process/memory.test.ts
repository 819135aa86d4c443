import { type ChildProcess, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { Loopback } from "../loopback.ts";

const hasMemoryFiles = existsSync("/proc/self/mem");

const word = (): Buffer => Buffer.from(Array.from({ length: 40 }, () => randomInt(97, 123)));

/** How often any of the words stands in the writable memory of a process. */
async function countInMemory(pid: number, words: readonly Buffer[]): Promise<number> {
  await using memory = await open(`/proc/${pid}/mem`, "r");
  let count = 0;
  for (const [from, to] of writableRegions(pid)) {
    const region = Buffer.allocUnsafeSlow(to - from);
    // A region can go while we look.
    const { bytesRead } = await memory.read(region, 0, to - from, from).catch(() => ({ bytesRead: 0 }));
    const bytes = region.subarray(0, bytesRead);
    for (const word of words) {
      for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + 1)) count += 1;
    }
  }
  return count;
}

function writableRegions(pid: number): (readonly [from: number, to: number])[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines.flatMap((line) => {
    const [, from, to] = /^([\da-f]+)-([\da-f]+) rw/.exec(line) ?? [];
    return from === undefined || to === undefined ? [] : [[parseInt(from, 16), parseInt(to, 16)] as const];
  });
}

async function says(program: ChildProcess, line: string): Promise<void> {
  let text = "";
  while (!text.includes(line)) {
    if (program.stdout === null) throw new TypeError("no output to read");
    const [chunk] = await once(program.stdout, "data");
    text += String(chunk);
  }
}

test.runIf(hasMemoryFiles)(
  "a secret that was used at a venue is nowhere in the serving process afterwards",
  async () => {
    await using venue = await Loopback.start();
    venue.sayJson({ id: "1", account_number: "PA1", status: "ACTIVE" });
    const [key, secret] = [word(), word()];
    const script = fileURLToPath(new URL("serving-process.ts", import.meta.url));
    const program = spawn(process.execPath, [script, venue.url], { stdio: ["pipe", "pipe", "inherit"] });
    const { pid } = program;
    if (pid === undefined) throw new Error("the program did not start");
    program.stdin.write(Buffer.concat([key, secret]));
    await says(program, "done");
    expect(venue.received.at(-1)?.headers["apca-api-secret-key"]).toBe(secret.toString());
    expect(await countInMemory(pid, [key, secret])).toBe(0);
    // The control: the same look finds what is really there.
    program.stdin.write(secret);
    await says(program, "kept");
    expect(await countInMemory(pid, [key, secret])).toBeGreaterThan(0);
    program.stdin.end("\n");
    await once(program, "exit");
  },
);
