import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, test } from "vitest";
import { makeState } from "../../testkit/state.ts";

const root = join(import.meta.dirname, "../..");

/** What a shell gets from the line that sets a variable. */
const variable = (text: string, name: string): string =>
  new RegExp(`export .*${name}=(\\S+)`).exec(text)?.[1] ?? "";

/** For a start on a machine that is busy with other tests. */
const patience = 300_000;

test(
  "`npm run dev` prints a token and a credential that answer the first request",
  { timeout: patience },
  async () => {
    await using state = await makeState();
    const child = spawn(process.execPath, [join(root, "tools/dev.ts")], {
      cwd: root,
      env: {
        PATH: process.env["PATH"],
        KEYHOLD_FOLDER: state.folder,
        KEYHOLD_PORT: "0",
        KEYHOLD_METRICS_PORT: "0",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = once(child, "close");
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    try {
      await Promise.race([
        ended,
        expect.poll(() => output, { timeout: patience }).toContain("Another one: "),
      ]);
      expect(output).toContain("Another one: ");
      const url = variable(output, "KEYHOLD_URL");
      const headers = {
        authorization: `Bearer ${variable(output, "KEYHOLD_TOKEN")}`,
        "content-type": "application/json",
      };
      const path = /\$KEYHOLD_URL(\/\S+)/.exec(output)?.[1] ?? "";
      const invoked = await fetch(url + path, { method: "POST", headers, body: '{"operation":"account"}' });
      expect(await invoked.json()).toMatchObject({ outcome: "done", result: { status: "ACTIVE" } });
      const me = await fetch(`${url}/api/v1/me`, { headers });
      expect(await me.json()).toMatchObject({ role: "owner" });
    } finally {
      child.kill("SIGTERM");
      await ended;
    }
  },
);
