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

  function prepare(environment: Readonly<Record<string, string>> = {}) {
    const { status, stderr } = spawnSync(process.execPath, ["tools/prepare.ts"], {
      cwd: root,
      env: { PATH: "/nowhere", XDG_CACHE_HOME: cache, ...environment },
      encoding: "utf8",
    });
    return { status, said: stderr };
  }

  test("`npm run tools` fails and names what each tool needs", async () => {
    const { status, said } = prepare();
    expect(status).toBe(1);
    expect(said).toMatch(/HashiCorp Vault .* could not be made\. There is no Go .* or newer, and no Python/);
    expect(said).toMatch(/moto .* could not be made\. There is no Python .* with venv/);
    expect(await readdir(join(cache, "keyhold"))).toEqual([]);
  });

  test("`npm run tools` reports a Vault that is named and does not run, and goes on to the next tool", () => {
    const { status, said } = prepare({ KEYHOLD_TEST_VAULT: "/nowhere/bao" });
    expect(status).toBe(1);
    expect(said).toMatch(
      /HashiCorp Vault .* could not be made\. KEYHOLD_TEST_VAULT names \/nowhere\/bao, which does not run\./,
    );
    expect(said).toMatch(/moto .* could not be made\./);
  });
});
