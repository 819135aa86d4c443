import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..", "..");
let checkout: string;

/** A checkout with the real launcher and the real Node, whose command line tells what it was given. */
beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), "keyhold-cli-"));
  await mkdir(join(checkout, "bin"));
  await mkdir(join(checkout, "src", "cli"), { recursive: true });
  await writeFile(join(checkout, "package.json"), '{"type":"module"}');
  await copyFile(join(root, "bin", "keyhold.js"), join(checkout, "bin", "keyhold.js"));
  await writeFile(join(checkout, "src", "cli", "keyhold.ts"), commandLine);
});
afterAll(() => rm(checkout, { recursive: true }));

const commandLine = `
const [act] = process.argv.slice(2);
if (act === "tell") console.log(JSON.stringify({ argv: process.argv.slice(2), execPath: process.execPath }));
if (act === "exit") process.exitCode = 4;
if (act === "wait") {
  process.on("SIGTERM", () => { console.log("told to stop"); process.exitCode = 7; clearInterval(timer); });
  const timer = setInterval(() => undefined, 1000);
  console.log("waiting");
}
if (act === "die") process.kill(process.pid, "SIGKILL");
`;

function launch(...argv: string[]) {
  const child = spawn(process.execPath, [join(checkout, "bin", "keyhold.js"), ...argv]);
  let output = "";
  let notes = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (notes += text));
  return {
    child,
    said: async (word: string) => {
      while (!output.includes(word)) await once(child.stdout, "data");
    },
    ended: once(child, "close").then(([code, signal]: unknown[]) => ({ code, signal, output, notes })),
  };
}

describe("the launcher", () => {
  test("says what to do where dependencies are not installed", async () => {
    const { code, output, notes } = await launch("tell").ended;
    expect({ code, output }).toEqual({ code: 2, output: "" });
    expect(notes).toBe(`keyhold: its dependencies are not installed\nhint: run \`npm ci\` in ${checkout}\n`);
  });

  describe("where they are", () => {
    beforeAll(() => symlink(join(root, "node_modules"), join(checkout, "node_modules")));

    test("runs the Node of the checkout with the arguments as they are", async () => {
      const { code, output } = await launch("tell", "a b", "--c='d'", "").ended;
      expect(code).toBe(0);
      expect(JSON.parse(output)).toEqual({
        argv: ["tell", "a b", "--c='d'", ""],
        execPath: await realpath(join(root, "node_modules", ".bin", "node")),
      });
    });

    test("ends with the exit code of the command", async () => {
      expect(await launch("exit").ended).toMatchObject({ code: 4, signal: null });
    });

    test("passes a signal on and waits for the command to end", async () => {
      const { child, said, ended } = launch("wait");
      await said("waiting");
      child.kill("SIGTERM");
      expect(await ended).toMatchObject({ code: 7, output: "waiting\ntold to stop\n" });
    });

    test("ends by the signal that ended the command", async () => {
      expect(await launch("die").ended).toMatchObject({ code: null, signal: "SIGKILL" });
    });
  });
});
