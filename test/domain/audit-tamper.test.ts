import { assert, constantFrom, gen, type GeneratorValue, integer, nat, property } from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type ChainEnd,
  formatHead,
  formatLink,
  genesis,
  linkHash,
  verifyChain,
} from "../../src/audit/chain.ts";
import { note } from "../../src/audit/change.ts";
import { exportChain } from "../../src/audit/export.ts";
import { freezeAccount, unfreezeAccount } from "../../src/tenants/account.ts";
import { exportLines } from "../../testkit/record.ts";
import { createWorld, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let lines: string[];
let foreign: string[];
let end: ChainEnd;
let tenant: Tenant;

beforeAll(async () => {
  world = await createWorld();
  tenant = await world.createTenant();
  lines = await busy(tenant);
  foreign = await busy(await world.createTenant());
  end = await endOf(tenant);
});
afterAll(() => world.close());

/** Some dozens of links of one to three events, with texts that callers chose. */
async function busy({ owner, addMember }: Tenant): Promise<string[]> {
  const { db } = world.custody;
  const accountId = await world.createAccount(owner);
  for (let n = 0; n < 12; n += 1) {
    await freezeAccount(db, owner, accountId, `reason ${n} with "quotes", \\ and a line\nbreak`);
    await unfreezeAccount(db, owner, accountId);
    await note(db, owner, {
      event: "credential.checked",
      detail: { venue: "x", environment: "live", outcome: "valid" },
    });
  }
  await addMember("trader");
  return exportLines(db, owner);
}

async function endOf({ id }: Tenant): Promise<ChainEnd> {
  const { rows } = await world.database.ownerPool.query<{ link: number; seq: number; hash: string }>(
    "select link, seq, encode(hash, 'hex') as hash from audit.heads where tenant_id = $1",
    [id],
  );
  const [head] = rows;
  if (head === undefined) throw new Error("the tenant has no chain");
  return head;
}

type Random = GeneratorValue;

/** Every kind of tampering, on a copy of the lines. */
const kinds: Readonly<Record<string, (copy: string[], random: Random) => string[]>> = {
  "an edit": (copy, random) => {
    const at = random(nat, { max: copy.length - 1 });
    const line = copy[at] ?? "";
    const place = random(nat, { max: line.length - 1 });
    const put = random(constantFrom, "0", "1", "a", "f", "}", '"', " ", "\\", "z");
    const edited = line.slice(0, place) + (line[place] === put ? "~" : put) + line.slice(place + 1);
    return copy.with(at, edited);
  },
  "a character too many": (copy, random) => {
    const at = random(nat, { max: copy.length - 1 });
    const line = copy[at] ?? "";
    const place = random(nat, { max: line.length });
    return copy.with(
      at,
      `${line.slice(0, place)}${random(constantFrom, " ", "\t", "0")}${line.slice(place)}`,
    );
  },
  "a deletion": (copy, random) =>
    copy.toSpliced(random(nat, { max: copy.length - 1 }), random(integer, { min: 1, max: 3 })),
  "an insertion": (copy, random) => {
    const from = random(constantFrom, copy, foreign);
    const one = from[random(nat, { max: from.length - 1 })] ?? "";
    return copy.toSpliced(random(nat, { max: copy.length }), 0, one);
  },
  "another order": (copy, random) => {
    const one = random(nat, { max: copy.length - 1 });
    const other = (one + random(integer, { min: 1, max: copy.length - 1 })) % copy.length;
    return copy.with(one, copy[other] ?? "").with(other, copy[one] ?? "");
  },
  "a cut": (copy, random) => copy.slice(0, random(nat, { max: copy.length - 1 })),
};

describe("the record", () => {
  test("as it was exported is intact, and ends where the database says", async () => {
    expect(await verifyChain(lines, { end })).toMatchObject({
      intact: true,
      tenant: tenant.id,
      events: end.seq,
      end,
    });
    expect(lines.length).toBeGreaterThan(60);
  });

  test.each(Object.keys(kinds))("is never intact after %s: 250 of them at random", async (kind) => {
    const tamper = kinds[kind];
    if (tamper === undefined) throw new Error("no such kind");
    const mutants: string[][] = [];
    assert(
      property(gen(), (random) => {
        mutants.push(tamper(lines, random));
      }),
      { numRuns: 250 },
    );
    const verdicts = await Promise.all(mutants.map((mutant) => verifyChain(mutant, { end })));
    const missed = mutants.filter((mutant, n) => {
      const verdict = verdicts[n];
      // Without its last line, the head, an export is intact as far as it goes, and the verdict says so.
      return (
        verdict?.intact === true && (verdict.complete || mutant.join("\n") !== lines.slice(0, -1).join("\n"))
      );
    });
    expect(missed).toEqual([]);
    expect(mutants.length, "and all were changes").toBe(250);
    expect(mutants.every((mutant) => mutant.join("\n") !== lines.join("\n"))).toBe(true);
  });

  test("every line has a part in it: none can be left out, doubled or moved one place", async () => {
    for (const at of lines.keys()) {
      const line = lines[at] ?? "";
      const mutants = [lines.toSpliced(at, 1), lines.toSpliced(at, 0, line)];
      if (at > 0) mutants.push(lines.with(at - 1, line).with(at, lines[at - 1] ?? ""));
      for (const mutant of mutants) {
        const verdict = await verifyChain(mutant, { end });
        if (mutant.length === lines.length - 1 && at === lines.length - 1) {
          expect(verdict).toMatchObject({ intact: true, complete: false });
        } else expect(verdict).toMatchObject({ intact: false });
      }
    }
  });

  test("that was cut after a link, or written anew as a whole, shows only against a known end", async () => {
    const links = lines.flatMap((line, at) => (line.startsWith('{"count"') ? [at] : []));
    const cut = lines.slice(0, (links.at(-2) ?? 0) + 1);
    expect(await verifyChain(cut), "without it").toMatchObject({
      intact: true,
      complete: false,
      unchecked: [expect.stringContaining("has no key"), expect.stringContaining("the export has no head")],
    });
    expect(await verifyChain(cut, { end })).toMatchObject({
      intact: false,
      reason: expect.stringContaining("the chain ends"),
    });

    const forged = rewritten(lines.map((line) => line.replace("reason 3", "reason 4")));
    expect(await verifyChain(forged), "without it").toMatchObject({
      intact: true,
      complete: true,
      unchecked: [expect.stringContaining("has no key"), expect.stringContaining("together with the head")],
    });
    expect(await verifyChain(forged, { end })).toMatchObject({
      intact: false,
      reason: expect.stringContaining("not the one"),
    });
    expect(
      await verifyChain(rewritten(lines), { end }),
      "the control: the same forger, with nothing forged",
    ).toMatchObject({
      intact: true,
    });
  });

  test("of another tenant is told by its name, and is not this one's", async () => {
    expect(await verifyChain(foreign)).not.toMatchObject({ tenant: tenant.id });
    expect(await verifyChain(foreign, { end })).toMatchObject({ intact: false });
  });

  test("with a link of no events, or a link with a word more, is not intact", async () => {
    const empty = { tenant: tenant.id, link: end.link + 1, previous: end.hash, count: 0 };
    const hash = linkHash(empty.tenant, empty.link, empty.previous, []);
    const longer = [...lines.slice(0, -1), formatLink({ ...empty, hash })];
    expect(await verifyChain(longer)).toMatchObject({ intact: false });
    for (const at of [lines.length - 1, lines.length - 2]) {
      const worded = lines.with(at, (lines[at] ?? "").replace(/}$/, ',"note":"verified"}'));
      expect(await verifyChain(worded, { end })).toMatchObject({ intact: false });
    }
  });
});

describe("an export", () => {
  /** As the owner of the tables does it, and put back. */
  async function afterTampering<T>(statement: string, look: () => Promise<T>): Promise<T> {
    const { ownerPool } = world.database;
    await ownerPool.query(
      "create table kept_links as select * from audit.links; create table kept_heads as select * from audit.heads",
    );
    try {
      await ownerPool.query(statement.replaceAll("$1", `'${tenant.id}'`));
      return await look();
    } finally {
      await ownerPool.query(`delete from audit.links; insert into audit.links select * from kept_links; drop table kept_links;
        delete from audit.heads; insert into audit.heads select * from kept_heads; drop table kept_heads`);
    }
  }

  test.each([
    [
      "the newest links were removed",
      "delete from audit.links where tenant_id = $1 and link > 30",
      /ends at link 30, before its head/,
    ],
    [
      "the head was set back",
      "update audit.heads set link = 30 where tenant_id = $1",
      /ends at link \d+, after its head/,
    ],
    [
      "the head names another hash",
      "update audit.heads set hash = sha256('') where tenant_id = $1",
      /not the one that the head names/,
    ],
    [
      "the head counts another event",
      "update audit.heads set seq = seq + 1 where tenant_id = $1",
      /not the one that the head names/,
    ],
    [
      "a link in the middle was removed",
      "delete from audit.links where tenant_id = $1 and link = 7",
      /stands where/,
    ],
    [
      "all links but the first were removed",
      "delete from audit.links where tenant_id = $1 and link > 1",
      /ends at link 1, before its head/,
    ],
  ])("is broken after %s", async (_, statement, reason) => {
    const { db } = world.custody;
    const verdict = await afterTampering(statement, async () =>
      verifyChain(await exportLines(db, tenant.owner)),
    );
    expect(verdict).toMatchObject({ intact: false, reason: expect.stringMatching(reason) });
    const restored = await verifyChain(await exportLines(db, tenant.owner));
    expect(restored, "the control: as it was, it is intact").toMatchObject({ intact: true, complete: true });
  });

  test("is intact and complete while others append to the chain", async () => {
    const { db } = world.custody;
    const { owner } = tenant;
    const event = {
      event: "credential.checked",
      detail: { venue: "x", environment: "live", outcome: "valid" },
    } as const;
    const lines: string[] = [];
    let before = 0;
    for await (const chunk of exportChain(db, owner)) {
      if (lines.length === 0) before = (await verifiedLinks()) - 1;
      lines.push(...chunk.trimEnd().split("\n"));
      await note(db, owner, event);
    }
    const verdict = await verifyChain(lines, { tenant: tenant.id });
    expect(verdict).toMatchObject({ intact: true, complete: true });
    expect(await verifiedLinks(), "the control: the chain grew meanwhile").toBeGreaterThan(before + 20);

    async function verifiedLinks(): Promise<number> {
      const { rows } = await world.database.ownerPool.query<{ link: number }>(
        "select link from audit.heads where tenant_id = $1",
        [tenant.id],
      );
      return rows[0]?.link ?? 0;
    }
  });
});

/** What somebody can make who knows the format and not the end: a chain that holds together. */
function rewritten(given: readonly string[]): string[] {
  const result: string[] = [];
  let pending: string[] = [];
  let previous = genesis(tenant.id);
  let link = 0;
  for (const line of given) {
    if (line.startsWith('{"head"')) break;
    if (!line.startsWith('{"count"')) {
      pending.push(line);
      continue;
    }
    link += 1;
    const hash = linkHash(tenant.id, link, previous, pending);
    result.push(...pending, formatLink({ tenant: tenant.id, link, previous, hash, count: pending.length }));
    previous = hash;
    pending = [];
  }
  const at = /"at":"([^"]+)"/.exec(result.at(-2) ?? "")?.[1] ?? "";
  result.push(formatHead({ at, hash: previous, link, seq: result.length - link, tenant: tenant.id }));
  return result;
}
