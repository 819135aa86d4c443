import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../../..");

describe("on a machine with neither Go nor Python", () => {
  let cache: string;
  beforeAll(async () => {
    cache = await mkdtemp(join(tmpdir(), "keyhold-cache-"));
  });
  afterAll(() => rm(cache, { recursive: true }));

  function prepare(parameters: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const { status, stderr } = spawnSync(process.execPath, ["tools/prepare.ts", ...parameters], {
      cwd: root,
      env: { PATH: "/nowhere", XDG_CACHE_HOME: cache, ...environment },
      encoding: "utf8",
    });
    return { status, said: stderr };
  }

  test("tests go on without the tools", () => {
    expect(prepare(["--if-possible"])).toEqual({ status: 0, said: "" });
  });

  test("whoever asks for the tools is told what each of them needs", async () => {
    const { status, said } = prepare([]);
    expect(status).toBe(1);
    expect(said).toMatch(/HashiCorp Vault .* could not be made\. There is no Go .* or newer, and no Python/);
    expect(said).toMatch(/moto .* could not be made\. There is no Python .* with venv/);
    expect(await readdir(join(cache, "keyhold"))).toEqual([]);
  });

  test("where none may be missing, that is a failure", () => {
    expect(prepare(["--if-possible"], { KEYHOLD_TEST_TOOLS: "required" }).status).toBe(1);
  });

  test("who goes without them is asked for nothing", () => {
    expect(prepare(["--if-possible"], { KEYHOLD_TEST_TOOLS: "skip" })).toEqual({ status: 0, said: "" });
  });

  test("a Vault that is named and does not run stops the run, and so does a word that means nothing", () => {
    const named = prepare(["--if-possible"], { KEYHOLD_TEST_VAULT: "/nowhere/bao" });
    expect(named).toEqual({
      status: 1,
      said: "KEYHOLD_TEST_VAULT names /nowhere/bao, which does not run.\n",
    });
    expect(prepare(["--if-possible"], { KEYHOLD_TEST_TOOLS: "perhaps" }).status).toBe(1);
  });
});
