import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import type { ClientConfig } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import { Disclosures } from "../../src/audit/disclosures.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { freeze } from "../../src/credentials/freeze.ts";
import { invoke } from "../../src/credentials/invoke.ts";
import { register } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { revoke } from "../../src/credentials/revoke.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { validate } from "../../src/credentials/validate.ts";
import { openPool } from "../../src/db/connect.ts";
import { createAccount } from "../../src/tenants/account.ts";
import { countRows } from "../../testkit/record.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;
let accountId: string;
let id: string;
let venue: ScriptedVenue;
let custody: Custody;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
  ({ id } = await registered());
  venue.inspections = 0;
});

async function registered(label = "default") {
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const policy = { allow: ["read", "trade"], reveal: true } as const;
  return register(custody, owner, {
    accountId,
    venue: "scripted",
    environment: "live",
    label,
    fields,
    policy,
  });
}

const append = "audit.append";
const record = "audit.record";
const conclude = "audit.conclude";
const refuse = `create function public.refuse() returns trigger language plpgsql as
  $$ begin raise exception 'no space left on device' using errcode = 'disk_full'; end $$`;

/** What can go wrong with the record, and how it comes right again. */
const faults: Readonly<Record<string, readonly [string, string]>> = {
  "the functions may not be called": [
    `revoke execute on function ${append}, ${record}, ${conclude} from keyhold_app`,
    `grant execute on function ${append}, ${record}, ${conclude} to keyhold_app`,
  ],
  "the functions are gone": [
    "alter schema audit rename to elsewhere",
    "alter schema elsewhere rename to audit",
  ],
  "the table of links is gone": [
    "alter table audit.links rename to lost",
    "alter table audit.lost rename to links",
  ],
  "the table of heads is gone": [
    "alter table audit.heads rename to lost",
    "alter table audit.lost rename to heads",
  ],
  "the recorder may not write": [
    "revoke insert on audit.links from keyhold_recorder",
    "grant insert on audit.links to keyhold_recorder",
  ],
  "the recorder's policy is gone": [
    "drop policy recorder on audit.links",
    "create policy recorder on audit.links for all to keyhold_recorder using (true) with check (true)",
  ],
  "the disk is full": [
    `${refuse}; create trigger refuse before insert on audit.links for each row execute function public.refuse()`,
    "drop trigger refuse on audit.links; drop function public.refuse()",
  ],
  "the disk is full for the head": [
    `${refuse}; create trigger refuse before update on audit.heads for each row execute function public.refuse()`,
    "drop trigger refuse on audit.heads; drop function public.refuse()",
  ],
  "a link stands where the next belongs": [
    `insert into audit.links select tenant_id, link + 1, seq + 1, 1, now(), hash, hash, '', '{}' from audit.heads`,
    "delete from audit.links where events = ''",
  ],
};

/** Everything that leads to plaintext; each says what it got. */
function ways(from: Custody): Readonly<Record<string, () => Promise<unknown>>> {
  const order = {
    operation: "createOrder",
    params: { symbol: "X", type: "market", side: "buy", amount: "1" },
  };
  return {
    use: () => withSecret(from, owner, { id }, (fields) => Promise.resolve(fields.size)),
    reveal: () => reveal(from, owner, id, "to see"),
    read: () => invoke(from, owner, id, { operation: "fetchBalance", params: {}, idempotencyKey: null }),
    trade: () => invoke(from, owner, id, { ...order, idempotencyKey: "key" }),
    merge: () => replace(from, owner, id, 1, secretFields({ api_secret: "another" })),
    validate: () => validate(from, owner, id),
  };
}

const asked = () => venue.inspections + venue.invocations + venue.lookUps;
const unavailable = { code: "record_unavailable", status: 503 };

async function withFault(fault: readonly [string, string], work: () => Promise<void>): Promise<void> {
  const [spoil, mend] = fault;
  await sql.raw(spoil).execute(world.database.owner);
  try {
    await work();
  } finally {
    await sql.raw(mend).execute(world.database.owner);
  }
}

describe("without a record there is no plaintext", () => {
  test.each(Object.entries(faults))("when %s", async (_, fault) => {
    await withFault(fault, async () => {
      for (const [name, way] of Object.entries(ways(custody))) {
        await expect(way(), name).rejects.toMatchObject(unavailable);
      }
      expect(asked(), "no venue was given a key").toBe(0);
    });
    for (const [name, way] of Object.entries(ways(custody))) {
      await expect(way(), `${name}, the control`).resolves.toBeDefined();
    }
    expect(asked()).toBeGreaterThan(0);
  });

  test("when somebody holds the chain for longer than two seconds", async () => {
    const release = Promise.withResolvers<undefined>();
    const held = Promise.withResolvers<undefined>();
    const holding = world.database.owner.transaction().execute(async (tx) => {
      await sql`select from audit.heads where tenant_id = ${owner.tenantId} for update`.execute(tx);
      held.resolve(undefined);
      await release.promise;
    });
    await held.promise;
    const tried = Object.values(ways(custody)).map((way) => expect(way()).rejects.toMatchObject(unavailable));
    await Promise.all([
      ...tried,
      expect(freeze(custody, owner, id, null)).rejects.toMatchObject(unavailable),
    ]);
    expect(asked()).toBe(0);
    release.resolve(undefined);
    await holding;
    await expect(ways(custody)["use"]?.()).resolves.toBe(2);
  });

  test("and nobody waits for it twice", async () => {
    const sizes: number[] = [];
    const disclosures = new Disclosures(world.database.appPool, world.prove, {
      onGroup: (size) => sizes.push(size),
    });
    const counted = { ...custody, disclosures };
    await withFault(
      ["alter table audit.links rename to lost", "alter table audit.lost rename to links"],
      async () => {
        const first = expect(ways(counted)["use"]?.()).rejects.toMatchObject(unavailable);
        while (sizes.length === 0) await new Promise((resolve) => setImmediate(resolve));
        const second = expect(ways(counted)["use"]?.()).rejects.toMatchObject(unavailable);
        await Promise.all([first, second]);
      },
    );
    expect(sizes, "who came meanwhile is told at once").toEqual([1]);
  });

  test("when the connection breaks while the record is being written", async () => {
    const release = Promise.withResolvers<undefined>();
    const held = Promise.withResolvers<undefined>();
    const holding = world.database.owner.transaction().execute(async (tx) => {
      await sql`select from audit.heads where tenant_id = ${owner.tenantId} for update`.execute(tx);
      held.resolve(undefined);
      await release.promise;
    });
    await held.promise;
    const revealing = expect(ways(custody)["reveal"]?.()).rejects.toMatchObject(unavailable);
    const waiting = sql<{ ended: boolean }>`select pg_terminate_backend(pid) as ended from pg_stat_activity
      where datname = current_database() and application_name = 'record' and wait_event_type = 'Lock'`;
    while ((await waiting.execute(world.database.owner)).rows.length === 0) await Promise.resolve();
    await revealing;
    release.resolve(undefined);
    await holding;
    await expect(ways(custody)["reveal"]?.()).resolves.toBeDefined();
  });

  test("when the server takes the statement and says nothing", async () => {
    await using line = await openLine(world.database.connection("keyhold_app"));
    const pool = openPool(line.connection, { applicationName: "record", patience: 300, answerWithin: 300 });
    const beyond = { ...custody, disclosures: new Disclosures(pool, world.prove) };
    await expect(ways(beyond)["use"]?.(), "the control").resolves.toBe(2);
    line.cut();
    for (const [name, way] of Object.entries(ways(beyond))) {
      await expect(way(), name).rejects.toMatchObject(unavailable);
    }
    expect(asked()).toBe(0);
    await pool.end();
  });

  /** A way to the server on which its answers can be cut off. */
  async function openLine(to: ClientConfig) {
    const folder = await mkdtemp(join(tmpdir(), "keyhold-line-"));
    const sockets = new Set<Socket>();
    let open = true;
    const line = createServer((client) => {
      const server = connect(join(to.host ?? "", `.s.PGSQL.${to.port}`));
      for (const socket of [client, server]) sockets.add(socket.on("error", () => undefined));
      client.pipe(server);
      server.on("data", (bytes) => open && client.write(bytes));
    });
    line.listen(join(folder, ".s.PGSQL.5432"));
    await once(line, "listening");
    return {
      connection: { ...to, host: folder, port: 5432 },
      cut: () => void (open = false),
      async [Symbol.asyncDispose]() {
        for (const socket of sockets) socket.destroy();
        line.close();
        await rm(folder, { recursive: true });
      },
    };
  }
});

describe("without a record there is no change", () => {
  test.each(Object.entries(faults))("when %s", async (_, fault) => {
    const changes = {
      freeze: () => freeze(custody, owner, id, null),
      update: () => update(custody, owner, id, 1, { label: "renamed" }),
      revoke: () => revoke(custody, owner, id),
      register: () => registered("another"),
      replace: () => replace(custody, owner, id, 1, secretFields({ api_key: "2", api_secret: "2" })),
      account: () => createAccount(custody.db, owner, { name: "another" }),
    };
    const look = async () => {
      const credential = await world.database.owner
        .selectFrom("credentials")
        .selectAll()
        .where("id", "=", id)
        .executeTakeFirstOrThrow();
      // A number that a writer was given stays given.
      return { ...credential, last_version: 0, rows: await countRows(world.database.owner) };
    };
    const before = await look();
    await withFault(fault, async () => {
      for (const [name, change] of Object.entries(changes)) {
        await expect(change(), name).rejects.toMatchObject(unavailable);
      }
    });
    // Bytes that were written before their record failed wait for the reconciler, under an intent, and nothing points at them.
    const { rows, ...credential } = await look();
    const { rows: rowsBefore, ...credentialBefore } = before;
    expect(credential).toEqual(credentialBefore);
    const ignored = ["intents", "sealed_secrets"];
    expect(rows).toEqual({ ...rowsBefore, ...Object.fromEntries(ignored.map((name) => [name, rows[name]])) });
    expect(await freeze(custody, owner, id, null), "the control").toMatchObject({ frozen: true });
  });
});
