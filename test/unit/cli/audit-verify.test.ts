import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatLink, genesis, linkHash } from "../../../src/audit/chain.ts";
import { runCli } from "../../support/cli.ts";

const tenant = randomUUID();

/** Three links of one, two and one events, as lines. */
function makeExport(): { lines: string[]; ends: string[] } {
  const lines: string[] = [];
  const ends: string[] = [];
  let previous = genesis(tenant);
  let seq = 0;
  for (const [at, count] of [1, 2, 1].entries()) {
    const events = Array.from({ length: count }, () => {
      seq += 1;
      return JSON.stringify({
        at: "2026-11-20T10:00:00.000Z",
        detail: { reason: "a\u2028b" },
        event: "credential.revealed",
        outcome: "ok",
        seq,
      });
    });
    const hash = linkHash(tenant, at + 1, previous, events);
    lines.push(...events, formatLink({ count, hash, link: at + 1, previous, tenant }));
    ends.push(`${at + 1}:${hash}`);
    previous = hash;
  }
  return { lines, ends };
}

const { lines, ends } = makeExport();
const verify = (text: string, ...options: string[]) =>
  runCli(["audit", "verify", "-", ...options], { input: text });
const whole = lines.map((line) => `${line}\n`).join("");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("audit verify", () => {
  test("says of an intact record how many links and events it has, and where it ends", async () => {
    const { code, output, notes } = await verify(whole);
    expect({ code, notes }).toEqual({ code: 0, notes: "" });
    expect(output).toBe(
      [`intact  yes`, `tenant  ${tenant}`, `links   3`, `events  4`, `end     ${ends[2]}`, ""].join("\n"),
    );
  });

  test("reads a file, and needs neither a service nor a token", async () => {
    const path = join(folder, "export.ndjson");
    await writeFile(path, whole);
    const { code, output } = await runCli(["audit", "verify", path, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ intact: true, tenant, links: 3, events: 4, end: { link: 3 } });
  });

  test("holds for a record in which nothing has happened yet", async () => {
    expect(await verify("")).toMatchObject({ code: 0, output: expect.stringContaining("links   0") });
  });

  test.for([
    ["an edited event", (all: string[]) => all.with(2, (all[2] ?? "").replace("revealed", "used")), 5],
    ["a missing event", (all: string[]) => all.toSpliced(2, 1), 3],
    ["an event that was put in", (all: string[]) => all.toSpliced(2, 0, all[2] ?? ""), 4],
    ["two events in the wrong order", (all: string[]) => all.with(2, all[3] ?? "").with(3, all[2] ?? ""), 3],
    ["a missing link", (all: string[]) => all.toSpliced(0, 2), 1],
    ["a mark at the beginning", (all: string[]) => all.with(0, `\ufeff${all[0]}`), 1],
    ["a space at the end of a line", (all: string[]) => all.with(0, `${all[0]} `), 2],
    ["events without a link", (all: string[]) => all.slice(0, -1), 6],
    ["a line that is no JSON", (all: string[]) => all.with(4, "{"), 5],
  ] as const)("exits with 1 and names the line for %s", async ([, tamper, line]) => {
    const { code, output, notes } = await verify(tamper(lines).join("\n"));
    expect({ code, output }).toEqual({ code: 1, output: "" });
    expect(notes).toMatch(new RegExp(`^keyhold: the record is broken at line ${line}: .+\n$`));
  });

  test("tells programs the same", async () => {
    const { code, output } = await verify(lines.toSpliced(2, 1).join("\n"), "--json");
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({ intact: false, line: 3 });
  });

  test("finds that a record was cut off when an earlier end is known", async () => {
    const cut = lines.slice(0, 5).join("\n");
    expect(await verify(cut)).toMatchObject({ code: 0 });
    expect(await verify(cut, "--end", ends[1] ?? "")).toMatchObject({ code: 0 });
    const { code, notes } = await verify(cut, "--end", ends[2] ?? "");
    expect(code).toBe(1);
    expect(notes).toContain("ends at link 2, before the known link 3");
  });

  test("refuses an end that is none, and a file that is not there", async () => {
    expect(await verify(whole, "--end", "3")).toMatchObject({
      code: 2,
      notes: expect.stringContaining("--end"),
    });
    const missing = await runCli(["audit", "verify", join(folder, "nowhere")]);
    expect(missing).toMatchObject({
      code: 2,
      output: "",
      notes: expect.stringMatching(/cannot be read \(ENOENT\)/),
    });
  });
});
