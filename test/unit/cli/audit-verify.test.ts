import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatHead, formatLink, genesis, linkHash } from "../../../src/audit/chain.ts";
import { runCli } from "../../../testkit/cli.ts";

const tenant = randomUUID();
const at = "2026-11-20T10:00:00.000Z";

/** Three links of one, two and one events and the head, as lines. */
function makeExport(tenant: string): { lines: string[]; ends: string[] } {
  const lines: string[] = [];
  const ends: string[] = [];
  let previous = genesis(tenant);
  let seq = 0;
  for (const [place, count] of [1, 2, 1].entries()) {
    const events = Array.from({ length: count }, () => {
      seq += 1;
      return JSON.stringify({
        at,
        detail: { reason: "a\u2028b" },
        event: "credential.revealed",
        outcome: "ok",
        seq,
      });
    });
    const hash = linkHash(tenant, place + 1, previous, events);
    lines.push(...events, formatLink({ count, hash, link: place + 1, previous, tenant }));
    ends.push(`${place + 1}:${hash}`);
    previous = hash;
  }
  lines.push(formatHead({ at, hash: previous, link: 3, seq, tenant }));
  return { lines, ends };
}

const { lines, ends } = makeExport(tenant);
const other = makeExport(randomUUID());
/** As an earlier version made it, or as it is after a cut. */
const headless = lines.slice(0, -1);
const verify = (text: string, ...options: string[]) =>
  runCli(["audit", "verify", "-", ...options], { input: text });
const whole = lines.map((line) => `${line}\n`).join("");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-cli-"));
});
afterAll(() => rm(folder, { recursive: true }));

describe("audit verify", () => {
  test("says of an intact record how long it is, where it ends, and what was not checked", async () => {
    const { code, output, notes } = await verify(whole);
    expect({ code, notes }).toEqual({ code: 0, notes: "" });
    expect(output).toBe(
      [
        `intact       yes`,
        `tenant       ${tenant}`,
        `links        3`,
        `events       4`,
        `end          ${ends[2]}`,
        `not checked  whether the chain was computed again: it has no key, so the owner of the database's tables can do that (--end shows it, with an end that was noted before)`,
        `not checked  whether links after link 3 were removed together with the head`,
        "",
      ].join("\n"),
    );
  });

  test("says of an export without a head that its end was not checked", async () => {
    const { code, output } = await verify(headless.join("\n"));
    expect(code).toBe(0);
    expect(output).toMatch(/^intact       as far as it goes$/m);
    expect(output).toMatch(/^not checked  whether the chain goes on after link 3: the export has no head/m);
    expect(JSON.parse((await verify(headless.join("\n"), "--json")).output)).toMatchObject({
      intact: true,
      complete: false,
      unchecked: [expect.any(String), expect.stringContaining("no head")],
    });
    expect((await verify(whole)).output, "the control: the head says where it ends").not.toContain("no head");
  });

  test("needs no key for what leads to an end that is known, and says which part that is", async () => {
    expect((await verify(whole, "--end", ends[2] ?? "")).output).not.toContain("computed again");
    expect((await verify(whole, "--end", ends[1] ?? "")).output).toContain("computed again after link 2");
  });

  test("takes the tenant that is expected, and refuses the record of another", async () => {
    expect(await verify(whole, "--tenant", tenant.toUpperCase())).toMatchObject({ code: 0 });
    const foreign = await verify(other.lines.join("\n"), "--tenant", tenant);
    expect(foreign).toMatchObject({ code: 1, output: "" });
    expect(foreign.notes).toContain(`not of ${tenant}`);
    expect(await verify(other.lines.join("\n")), "the control: nothing was expected").toMatchObject({
      code: 0,
    });
    expect(await verify(whole, "--tenant", "Northwind")).toMatchObject({ code: 2 });
  });

  test("reads a file, and needs neither a service nor a token", async () => {
    const path = join(folder, "export.ndjson");
    await writeFile(path, whole);
    const { code, output } = await runCli(["audit", "verify", path, "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ intact: true, tenant, links: 3, events: 4, end: { link: 3 } });
  });

  test.for([
    ["nothing", ""],
    ["an end of line", "\n"],
    ["a head alone", `${lines.at(-1)}\n`],
    ["events alone", `${lines[0]}\n`],
    ["the head of a chain without links", formatHead({ at, hash: genesis(tenant), link: 0, seq: 0, tenant })],
  ] as const)("exits with 1 when there is %s to verify", async ([, text]) => {
    for (const options of [[], ["--end", ends[0] ?? ""], ["--tenant", tenant]]) {
      expect(await verify(text, ...options)).toMatchObject({ code: 1, output: "" });
    }
  });

  test.for([
    ["an edited event", (all: string[]) => all.with(2, (all[2] ?? "").replace("revealed", "used")), 5],
    ["a missing event", (all: string[]) => all.toSpliced(2, 1), 3],
    ["an event that was put in", (all: string[]) => all.toSpliced(2, 0, all[2] ?? ""), 4],
    ["two events in the wrong order", (all: string[]) => all.with(2, all[3] ?? "").with(3, all[2] ?? ""), 3],
    ["a missing link", (all: string[]) => all.toSpliced(0, 2), 1],
    ["a mark at the beginning", (all: string[]) => all.with(0, `\ufeff${all[0]}`), 1],
    ["a space at the end of a line", (all: string[]) => all.with(0, `${all[0]} `), 2],
    ["events without a link", (all: string[]) => all.slice(0, 6), 6],
    ["a line that is no JSON", (all: string[]) => all.with(4, "{"), 5],
    ["a line that stands twice", (all: string[]) => all.toSpliced(1, 0, all[1] ?? ""), 3],
    ["a link that stands twice", (all: string[]) => all.toSpliced(5, 0, all[4] ?? ""), 6],
    [
      "links in another order",
      (all: string[]) => [...all.slice(2, 5), ...all.slice(0, 2), ...all.slice(5)],
      1,
    ],
    ["another tenant's export after it", (all: string[]) => [...all, ...other.lines], 9],
    ["another tenant's links after its own", () => [...headless, ...other.lines], 8],
    ["another tenant's head", (all: string[]) => all.with(7, other.lines[7] ?? ""), 8],
    ["a head in the middle", (all: string[]) => all.toSpliced(2, 0, all[7] ?? ""), 3],
    ["a head that stands twice", (all: string[]) => [...all, all[7] ?? ""], 9],
    ["an empty line at the end", (all: string[]) => [...all, "", ""], 9],
    ["words at the end", (all: string[]) => [...all, "verified"], 9],
    ["lines that end as on Windows", (all: string[]) => all.map((line) => `${line}\r`), 2],
    ["the last link removed", (all: string[]) => all.toSpliced(5, 2), 6],
    [
      "a link that counts too many",
      (all: string[]) => all.with(1, (all[1] ?? "").replace('"count":1', '"count":2')),
      2,
    ],
    [
      "a link with a number spelt otherwise",
      (all: string[]) => all.with(1, (all[1] ?? "").replace('"link":1', '"link":1.0')),
      2,
    ],
    [
      "an event with a number spelt otherwise",
      (all: string[]) => all.with(0, (all[0] ?? "").replace('"seq":1', '"seq":1e0')),
      2,
    ],
    [
      "a link beyond exact numbers",
      (all: string[]) => all.with(1, (all[1] ?? "").replace('"link":1', '"link":9007199254740993')),
      2,
    ],
    [
      "a link that names a field twice",
      (all: string[]) => all.with(1, (all[1] ?? "").replace('"count":1', '"count":2,"count":1')),
      2,
    ],
    ["a head with another time", (all: string[]) => all.with(7, (all[7] ?? "").replace("10:00", "11:00")), 8],
    [
      "a head with another number of events",
      (all: string[]) => all.with(7, (all[7] ?? "").replace('"seq":4', '"seq":5')),
      8,
    ],
    [
      "a head with another link",
      (all: string[]) => all.with(7, (all[7] ?? "").replace('"link":3', '"link":4')),
      8,
    ],
    [
      "a head with a word more",
      (all: string[]) => all.with(7, (all[7] ?? "").replace("}}", ',"by":"x"}}')),
      8,
    ],
  ] as const)("exits with 1 and names the line for %s", async ([, tamper, line]) => {
    const { code, output, notes } = await verify(tamper(lines).join("\n"));
    expect({ code, output }).toEqual({ code: 1, output: "" });
    expect(notes).toMatch(new RegExp(`^keyhold: the record is broken at line ${line}: .+\n$`));
  });

  test("takes the same lines as they were: the control of the tampering above", async () => {
    expect(await verify(lines.join("\n"))).toMatchObject({ code: 0, notes: "" });
  });

  test("tells programs the same", async () => {
    const { code, output } = await verify(lines.toSpliced(2, 1).join("\n"), "--json");
    expect(code).toBe(1);
    expect(JSON.parse(output)).toMatchObject({ intact: false, line: 3 });
  });

  test("finds that a record was cut off when an earlier end is known", async () => {
    const cut = headless.slice(0, 5).join("\n");
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
