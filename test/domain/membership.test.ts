import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { Memberships } from "../../src/access/membership.ts";
import type { Member } from "../../src/access/principal.ts";
import { rewrite } from "../../testkit/rights.ts";
import { createWorld, type World } from "../../testkit/world.ts";

let world: World;
let member: Member;
let issuer: string;
let subject: string;
let gate: Promise<void>;
let memberships: Memberships;

const keepMs = 60_000;
const now = performance.now.bind(performance);
/** How far the clock of the cache is ahead. */
let ahead = 0;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ahead = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now() + ahead);
  member = await (await world.createTenant()).addMember("trader");
  const found = await sql<{
    issuer: string;
    subject: string;
  }>`select issuer, subject from members where id = ${member.memberId}`.execute(world.database.owner);
  ({ issuer, subject } = found.rows[0] ?? { issuer: "", subject: "" });
  gate = Promise.resolve();
  // What the database has answered comes through when the gate opens.
  const held = world.custody.db.withPlugin({
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      await gate;
      return result;
    },
  });
  memberships = new Memberships(held, world.prove, { keepMs });
  expect(await role()).toBe("trader");
});
afterEach(() => vi.restoreAllMocks());

async function role(): Promise<string | undefined> {
  return (await memberships.member(member.tenantId, issuer, subject))?.role;
}

async function become(role: string): Promise<void> {
  const statement = sql`update members set role = ${role} where id = ${member.memberId}`;
  await rewrite(world.custody.db, member.tenantId, statement);
}

/** The cache looks at the clock every 20 ms. */
async function age(ms: number): Promise<void> {
  ahead += ms;
  await sleep(50);
}

describe("a membership that was looked up", () => {
  test("holds for the time that it is kept, and no longer", async () => {
    await become("viewer");
    await age(keepMs / 2 - 1000);
    expect(await role(), "while it is kept").toBe("trader");
    await age(keepMs / 2 + 1000);

    expect(await role()).toBe("viewer");
  });

  test("is asked for again while it still holds, and nobody waits for that", async () => {
    const opened = Promise.withResolvers<undefined>();
    gate = opened.promise;
    await become("viewer");
    await age(keepMs / 2 + 1000);
    expect(await role(), "what is known, without an answer of the database").toBe("trader");
    opened.resolve(undefined);

    await expect.poll(role).toBe("viewer");
  });

  test("and was forgotten is not brought back by an answer from before", async () => {
    const opened = Promise.withResolvers<undefined>();
    gate = opened.promise;
    await age(keepMs / 2 + 1000);
    expect(await role()).toBe("trader");
    await sleep(200); // The database has answered by now, and the answer waits at the gate.
    await become("viewer");
    memberships.forget(member.memberId);
    opened.resolve(undefined);
    await turn();

    expect(await role()).toBe("viewer");
  });
});
