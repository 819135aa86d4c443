import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { indexRecord } from "../../src/audit/search.ts";
import { checkHealth } from "../../src/credentials/check.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { freeze } from "../../src/credentials/freeze.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { listVersions } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { finishRotation } from "../../src/credentials/rotation.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { eventsOf, exportLines } from "../../testkit/record.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;
let venue: ScriptedVenue;
let custody: Custody;
let id: string;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ({ owner } = await world.createTenant());
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
  const accountId = await world.createAccount(owner);
  const fields = secretFields({ api_key: "key-1", api_secret: "secret-1" });
  const policy = { allow: ["read", "trade"], reveal: true } as const;
  ({ id } = await register(custody, owner, {
    accountId,
    venue: "scripted",
    environment: "live",
    fields,
    policy,
  }));
});

const read = { operation: "fetchBalance", params: {}, idempotencyKey: null };
const use = () => withSecret(custody, owner, { id }, () => Promise.resolve());
const rotated = (overlapSeconds = 3600) => {
  const fields = secretFields({ api_key: "key-2", api_secret: "secret-2" });
  return rotate(custody, owner, id, 1, { fields, overlapSeconds });
};

/** As a venue does that does not know the second key yet. */
function refuseTheNewKey(): void {
  venue.invoke = async ({ fields }) => {
    const key = fields.get("api_key")?.expose((bytes) => Buffer.from(bytes).toString());
    return key === "key-2"
      ? { outcome: "rejected", reason: "bad_key", message: "Scripted: bad key." }
      : { outcome: "done", result: {} };
  };
}

/** Every event of the credential that opened its secret, or was to: what for, and which version. */
async function openings(): Promise<readonly string[]> {
  const events = await eventsOf(custody.db, owner, id);
  return events
    .filter(({ event }) => ["credential.used", "credential.revealed", "credential.refused"].includes(event))
    .map(({ event, detail }) => {
      const { purpose = event.replace("credential.", ""), version = "no version" } = detail;
      return `${String(purpose)} ${String(version)}`;
    });
}

async function usesByVersion(): Promise<readonly string[]> {
  const { items } = await listVersions(custody, owner, id);
  return items.map(({ version, state, uses }) => `${version} ${state} ${uses}`);
}

describe("the record of an opening", () => {
  test("names the version that was opened, whatever it was opened for", async () => {
    await use();
    await reveal(custody, owner, id, "a drill");
    await checkHealth(custody, { tenant_id: owner.tenantId, id });
    await rotated();
    await use();
    expect(await openings()).toEqual(["scope 1", "revealed 1", "health 1", "rotate 1", "scope 2"]);
  });

  test("names the retired version where that was fallen back to, beside the one that was tried first", async () => {
    await rotated();
    refuseTheNewKey();
    await invoke(custody, owner, id, read);
    expect(await openings()).toEqual(["rotate 1", "invoke 2", "fallback 1", "validate 2"]);
  });

  test("names no version where nothing was opened", async () => {
    await freeze(custody, owner, id, "a drill");
    await expect(use()).rejects.toThrow("frozen");
    expect(await openings()).toEqual(["scope no version"]);
  });

  test("is not misled by what a caller writes", async () => {
    for (const reason of [',"version":99,', '","version":99}', 'a\\","version":99', "version"]) {
      await reveal(custody, owner, id, reason);
    }
    expect(await openings()).toEqual(Array.from({ length: 4 }, () => "revealed 1"));
    const lines = (await exportLines(custody.db, owner)).filter((line) =>
      line.includes("credential.revealed"),
    );
    expect(lines.filter((line) => line.includes('","version":1},"event"'))).toHaveLength(4);
  });
});

describe("the versions of a credential", () => {
  test("tell of no uses before there was a rotation", async () => {
    await use();
    expect(await usesByVersion()).toEqual(["1 current null"]);
  });

  test("tell how often each was used or revealed since the rotation began, and not of Keyhold's own checks", async () => {
    await use();
    await rotated();
    expect(await usesByVersion()).toEqual(["2 current 0", "1 retired 0"]);
    await use();
    await reveal(custody, owner, id, "a drill");
    await checkHealth(custody, { tenant_id: owner.tenantId, id });
    expect(await usesByVersion()).toEqual(["2 current 2", "1 retired 0"]);
    refuseTheNewKey();
    await invoke(custody, owner, id, read);
    expect(await usesByVersion(), "tried with the new one, and then with the old one").toEqual([
      "2 current 3",
      "1 retired 1",
    ]);
  });

  test("tell of nobody else's uses", async () => {
    await rotated();
    const other = await world.createTenant();
    const fields = secretFields({ api_key: "key-3", api_secret: "secret-3" });
    const at = { accountId: await world.createAccount(other.owner), venue: "scripted" };
    const foreign = await register(custody, other.owner, { ...at, environment: "live", fields });
    // Committed together, and so perhaps in one group.
    await Promise.all([use(), withSecret(custody, other.owner, { id: foreign.id }, () => Promise.resolve())]);
    expect(await usesByVersion()).toEqual(["2 current 1", "1 retired 0"]);
  });

  test("tell of the rotation as long as it lasted, and of nothing that is destroyed", async () => {
    await rotated();
    await use();
    await finishRotation(custody, owner, id);
    // Whatever is used after this moment is after it by the clock of the record as well.
    await sql`select pg_sleep(0.002)`.execute(world.database.owner);
    await use();
    expect(await usesByVersion()).toEqual(["2 current 1", "1 destroyed null"]);
  });

  test("show no uses of a rotation without an overlap", async () => {
    await rotated(0);
    await use();
    expect(await usesByVersion()).toEqual(["2 current 0", "1 destroyed null"]);
  });
});

describe("the uses of a credential that is used all the time", () => {
  /** Links of one use each, after those that the tenant has, an hour from now. */
  async function usedOften(count: number): Promise<void> {
    const detail = `{"actor":{"kind":"member","member_id":"${owner.memberId}"},"credential_id":"${id}","purpose":"invoke","version":2}`;
    await sql`
      with head as (select link, seq from audit.heads where tenant_id = ${owner.tenantId}), made as (
        insert into audit.links
        select ${owner.tenantId}::uuid, h.link + n, h.seq + n, 1, now() + n * interval '1 millisecond', sha256(''), sha256(''),
          '{"at":"' || audit.stamp(now() + n * interval '1 millisecond') || '","detail":' || ${detail}
            || ',"event":"credential.used","outcome":"ok","seq":' || (h.seq + n) || '}', array[${id}::uuid]
        from generate_series(1, ${count}::integer) n, head h
      )
      update audit.heads set link = link + ${count}, seq = seq + ${count} where tenant_id = ${owner.tenantId}`.execute(
      world.database.owner,
    );
    await indexRecord(world.custody);
  }

  test("are counted as far as one answer looks, and it says so", async () => {
    await rotated();
    await reveal(custody, owner, id, "a drill");
    await usedOften(300);
    expect(await listVersions(custody, owner, id)).toMatchObject({
      counted_since: null,
      items: [
        { version: 2, uses: 301 },
        { version: 1, uses: 0 },
      ],
    });
    await usedOften(12_000);
    const { counted_since: since, items } = await listVersions(custody, owner, id);
    expect(since).not.toBeNull();
    expect(items[0]?.uses).toBeGreaterThan(1000);
    expect(items[0]?.uses).toBeLessThanOrEqual(10_000);
  });

  test("hide nobody who was shown the old version", async () => {
    await reveal(custody, owner, id, "a drill");
    await rotated();
    await usedOften(12_000);
    const { old_version_uses: uses } = await listVersions(custody, owner, id);
    expect(uses).toMatchObject([{ how: "revealed", count: 1, has_new: false }]);
    await reveal(custody, owner, id, "the next one");
    expect((await listVersions(custody, owner, id)).old_version_uses).toMatchObject([{ has_new: true }]);
  });
});
