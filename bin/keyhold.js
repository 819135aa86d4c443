#!/usr/bin/env node
// Runs the command line with the Node of package-lock.json, whichever Node runs this file. Plain JavaScript, for Node 20 and up.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
// npm makes this link: of the packages that hold a Node it installs the one for this machine.
const node = join(root, "node_modules", ".bin", "node");

if (existsSync(node)) {
  run();
} else {
  process.stderr.write(`keyhold: its dependencies are not installed\nhint: run \`npm ci\` in ${root}\n`);
  process.exitCode = 2;
}

function run() {
  const entry = join(root, "src", "cli", "keyhold.ts");
  const flags = ["--disable-sigusr1", "--report-exclude-env"];
  const child = spawn(node, [...flags, entry, ...process.argv.slice(2)], { stdio: "inherit" });
  const passOn = (signal) => child.kill(signal);
  // A terminal sends Ctrl-C to the whole group, so the child has it already.
  const interrupt = process.stdin.isTTY ? () => undefined : passOn;
  process.on("SIGINT", interrupt);
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, passOn);
  child.on("error", (error) => {
    process.stderr.write(`keyhold: ${node} cannot be run (${error.code})\n`);
    process.exitCode = 2;
  });
  child.on("exit", (code, signal) => {
    if (signal === null) {
      process.exitCode = code;
      return;
    }
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}
