import { type PoolClient, DatabaseError } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { assertMove, statuses } from "../../src/credentials/credential.ts";
import { register } from "../../src/credentials/register.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
/** A credential whose second secret is in force; its first is kept. */
let credentialId: string;

beforeAll(async () => {
  world = await createWorld();
  const { owner } = await world.createTenant();
  const custody = new ScriptedVenue().in(world.custody);
  const accountId = await world.createAccount(owner);
  const fields = secretFields({ api_key: "key-1", api_secret: "secret-1" });
  const at = { accountId, venue: "scripted", environment: "live" } as const;
  credentialId = (await register(custody, owner, { ...at, fields })).id;
  const fresh = secretFields({ api_key: "key-2", api_secret: "secret-2" });
  await rotate(custody, owner, credentialId, 1, { fields: fresh });
});
afterAll(() => world.close());

type Kind = Readonly<{
  table: string;
  states: readonly string[];
  /** May what is in the first state come to the second? */
  isLegal(from: string, to: string): boolean;
  /** In which it may begin. */
  beginnings: readonly string[];
  /** One row, and what has to change with its state, which is $1, so that no other constraint speaks. */
  row: string;
  set: string;
}>;

function isMove(from: string, to: string): boolean {
  const [one, other] = [from, to].map((name) => statuses.find((status) => status === name));
  if (one === undefined || other === undefined) throw new Error(`no such status: ${from}, ${to}`);
  try {
    assertMove(one, other);
    return true;
  } catch {
    return false;
  }
}

const among =
  (...moves: readonly string[]) =>
  (from: string, to: string): boolean =>
    moves.includes(`${from} → ${to}`);

const kinds: Readonly<Record<string, Kind>> = {
  "a credential": {
    table: "credentials",
    states: statuses,
    isLegal: isMove,
    beginnings: ["pending", "active"],
    row: "id = $2",
    set: "status = $1",
  },
  "a version": {
    table: "credential_versions",
    states: ["current", "retired", "destroyed"],
    isLegal: among("current → retired", "current → destroyed", "retired → current", "retired → destroyed"),
    beginnings: ["current"],
    row: "credential_id = $2 and version = 2",
    set: `state = $1, data_key_id = case when $1 <> 'destroyed' then
      (select k.id from data_keys k where k.tenant_id = credential_versions.tenant_id and k.use = 'seal') end`,
  },
  "a rotation": {
    table: "rotations",
    states: ["overlap", "finished", "rolled_back"],
    isLegal: among("overlap → finished", "overlap → rolled_back"),
    // Without an overlap it is over at once.
    beginnings: ["overlap", "finished"],
    row: "credential_id = $2",
    set: "state = $1, ended_at = case when $1 <> 'overlap' then now() end",
  },
};

/** In a transaction of a superuser's that is rolled back. */
async function trying<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await world.database.ownerPool.connect();
  try {
    await client.query("begin");
    return await work(client);
  } finally {
    await client.query("rollback");
    client.release();
  }
}

async function put(client: PoolClient, { table, row, set }: Kind, state: string): Promise<void> {
  const { rowCount } = await client.query(`update ${table} set ${set} where ${row}`, [state, credentialId]);
  expect(rowCount).toBe(1);
}

/** As nobody comes there who does not switch triggers off. */
async function arrange(client: PoolClient, kind: Kind, state: string): Promise<void> {
  await client.query("set local session_replication_role = replica");
  await put(client, kind, state);
  await client.query("set local session_replication_role = origin");
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "none";
  } catch (error) {
    if (!(error instanceof DatabaseError)) throw error;
    return `${error.code} ${error.constraint}`;
  }
}

describe.each(Object.entries(kinds))("%s", (_, kind) => {
  const { table, states, isLegal, beginnings } = kind;
  const pairs = states.flatMap((from) => states.map((to) => [from, to] as const));
  const moves = pairs.filter(([from, to]) => from !== to);
  const illegal = moves.filter(([from, to]) => !isLegal(from, to));

  test.each(moves)("that is %s becomes %s in the database exactly where that is legal", async (from, to) => {
    const refusal = await trying(async (client) => {
      await arrange(client, kind, from);
      return refusalOf(put(client, kind, to));
    });
    expect(refusal).toBe(isLegal(from, to) ? "none" : "23514 legal_moves");
  });

  test("stays what it is while something else about it changes, and that is no move", async () => {
    for (const state of states) {
      expect(isLegal(state, state)).toBe(false);
      const refusal = await trying(async (client) => {
        await arrange(client, kind, state);
        return refusalOf(put(client, kind, state));
      });
      expect(refusal, state).toBe("none");
    }
  });

  test.each(states)("begins as %s only where that is a beginning", async (state) => {
    const refusal = await trying(async (client) => {
      await arrange(client, kind, state);
      return refusalOf(writeAgain(client, kind));
    });
    expect(refusal).toBe(beginnings.includes(state) ? "none" : "23514 legal_beginnings");
  });

  test("could make every illegal move if the trigger were not there", async () => {
    expect(illegal.length).toBeGreaterThan(0);
    for (const [from, to] of illegal) {
      const refusal = await trying(async (client) => {
        await client.query(`alter table ${table} disable trigger legal_moves`);
        await arrange(client, kind, from);
        return refusalOf(put(client, kind, to));
      });
      expect(refusal, `${from} → ${to}`).toBe("none");
    }
  });
});

/** Takes the row out and writes the same one anew. */
async function writeAgain(client: PoolClient, { table, row }: Kind): Promise<void> {
  const condition = row.replace("$2", "$1");
  const { rows } = await client.query<{ row: unknown; columns: string }>(
    `select to_jsonb(t) as row, (select string_agg(quote_ident(attname), ', ') from pg_attribute
       where attrelid = '${table}'::regclass and attnum > 0 and not attisdropped and attgenerated = '') as columns
     from ${table} t where ${condition}`,
    [credentialId],
  );
  const columns = rows[0]?.columns ?? "";
  await client.query(`delete from ${table} where ${condition}`, [credentialId]);
  await client.query(
    `insert into ${table} (${columns}) select ${columns} from jsonb_populate_record(null::${table}, $1)`,
    [JSON.stringify(rows[0]?.row)],
  );
}
