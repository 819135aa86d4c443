import { spawnSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runsWith } from "../../testkit/command.ts";

const root = join(import.meta.dirname, "..", "..");

describe.runIf(runsWith("git"))("the hook before a commit", () => {
  let folder: string;
  const run = (program: string, ...argv: readonly string[]) =>
    spawnSync(program, argv, { cwd: folder, encoding: "utf8" });
  const commit = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    run("git", "add", name);
    return run(join(root, "node_modules/.bin/lefthook"), "run", "pre-commit", "--no-tty");
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "keyhold-hooks-"));
    for (const name of ["lefthook.yml", ".oxfmtrc.json", ".secretlintrc.json", ".gitignore", "package.json"])
      copyFileSync(join(root, name), join(folder, name));
    symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
    run("git", "init", "--quiet");
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test("formats what is staged, and stages it again", () => {
    const { status, stdout } = commit("notes.json", '{"a":1}');
    expect(status, stdout).toBe(0);
    expect(readFileSync(join(folder, "notes.json"), "utf8")).toBe('{ "a": 1 }\n');
    expect(run("git", "diff", "--name-only").stdout).toBe("");
  });

  test("refuses a secret", () => {
    const { status, stdout } = commit("key.md", `# A key\n\nghp_${"a1B2".repeat(9)}\n`);
    expect(status).not.toBe(0);
    expect(stdout).toMatch(/GITHUB_TOKEN|secretlint/i);
  });
});

test("npm installs no hook, and needs no git", () => {
  expect(readFileSync(join(root, "package.json"), "utf8")).not.toMatch(/"(pre|post)?(install|prepare)":/);
});
