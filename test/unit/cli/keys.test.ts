import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadKeyFile } from "../../../src/key-encryption/file.ts";
import { runCli } from "../../../testkit/cli.ts";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("keys create", () => {
  test("makes a file that only its owner reads and the service opens, and says to back it up", async () => {
    const path = join(folder, "kek");
    const { code, output, notes } = await runCli(["keys", "create", path]);
    expect(code).toBe(0);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const { kekId } = await loadKeyFile(path);
    expect(output).toBe(`${path} holds the new key ${kekId}\n`);
    expect(notes).toMatch(/Back this file up/);
  });

  test("are removed without a question where there is nothing to remove", async () => {
    const path = join(folder, "alone");
    await runCli(["keys", "create", path]);
    const { code, output } = await runCli(["keys", "remove-old", path, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(output)).toEqual({ path, removed: 0 });
  });

  test("never overwrites a key", async () => {
    const path = join(folder, "kept");
    await runCli(["keys", "create", path]);
    const before = await readFile(path);
    const { code, output, notes } = await runCli(["keys", "create", path]);
    expect({ code, output }).toEqual({ code: 2, output: "" });
    expect(notes).toMatch(/^keyhold: the key file .* exists already/);
    expect(await readFile(path)).toEqual(before);
  });
});
