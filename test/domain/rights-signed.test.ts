import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Disclosures } from "../../src/audit/disclosures.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { freeze } from "../../src/credentials/freeze.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { reveal } from "../../src/credentials/reveal.ts";
import { update } from "../../src/credentials/update.ts";
import { openDb, openPool } from "../../src/db/connect.ts";
import { withTenant } from "../../src/db/tenant.ts";
import { eventNames } from "../../testkit/record.ts";
import { signed } from "../../testkit/rights.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let custody: Custody;
let id: string;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  custody = new ScriptedVenue().in(world.custody);
  tenant = await world.createTenant();
  const accountId = await world.createAccount(tenant.owner);
  ({ id } = await register(custody, tenant.owner, {
    accountId,
    venue: "scripted",
    environment: "live",
    fields: secretFields({ api_key: "key", api_secret: "secret" }),
    policy: { allow: ["read"], reveal: false },
  }));
});

async function writePastTriggers(statement: string): Promise<void> {
  await world.database.owner.transaction().execute(async (tx) => {
    await sql`set local session_replication_role = replica`.execute(tx);
    await sql.raw(statement).execute(tx);
  });
}

const allowRevealing = () => writePastTriggers(`update credentials set reveal = true where id = '${id}'`);
const unproven = { code: "rights_unproven" };

describe("a change of rights", () => {
  test("is refused when what it changes was not signed, so that it signs nothing that others wrote", async () => {
    await allowRevealing();
    await expect(update(custody, tenant.owner, id, 1, { label: "renamed" })).rejects.toMatchObject(unproven);
    expect(await show(custody, tenant.owner, id)).toMatchObject({ label: "default", revision: 1 });
    expect(await eventNames(custody.db, tenant.owner)).toContain("rights.unproven");
    await expect(reveal(custody, tenant.owner, id, "to see")).rejects.toMatchObject(unproven);
  });

  test("would sign it if nothing were verified", async () => {
    await allowRevealing();
    const db = openDb(openPool(world.database.connection("keyhold_app"), { applicationName: "lax" }));
    signed({ db, dataKeys: custody.dataKeys }, { verify: false });
    await update({ ...custody, db }, tenant.owner, id, 1, { label: "renamed" });
    await db.destroy();
    await expect(reveal(custody, tenant.owner, id, "to see")).resolves.toBeDefined();
  });

  test("does not bring back what was allowed before, by way of an old row", async () => {
    await update(custody, tenant.owner, id, 1, { policy: { reveal: true } });
    await writePastTriggers(`create table old_row as select * from credentials where id = '${id}'`);
    await update(custody, tenant.owner, id, 2, { policy: { reveal: false } });
    await writePastTriggers(`update credentials c set reveal = o.reveal, revision = o.revision, grant_number = o.grant_number,
      grant_mac = o.grant_mac from old_row o where o.id = c.id`);
    await expect(freeze(custody, tenant.owner, id, null)).rejects.toMatchObject(unproven);
    await expect(update(custody, tenant.owner, id, 2, { label: "one" })).rejects.toMatchObject(unproven);
    await expect(update(custody, tenant.owner, id, 2, { label: "two" })).rejects.toMatchObject(unproven);
    await sql`drop table old_row`.execute(world.database.owner);
  });

  test("does not commit without a MAC, whoever writes it", async () => {
    const scope = { tenantId: tenant.id, memberId: null, reach: "tenant-write" } as const;
    const raw = (statement: string) =>
      withTenant(custody.db, scope, async (tx) => void (await sql.raw(statement).execute(tx)));
    const refused = "changed and not signed";
    await expect(raw("update credentials set reveal = true")).rejects.toThrow(refused);
    await expect(raw("update members set role = 'admin'")).rejects.toThrow(refused);
    await expect(raw("update accounts set active = false")).rejects.toThrow(refused);
    await expect(raw("update tenants set frozen_at = now()")).rejects.toThrow(refused);
    await expect(raw("update credential_versions set state = 'retired'")).rejects.toThrow(refused);
    await expect(raw("delete from credential_versions")).rejects.toThrow(refused);
    // What gives no right is written freely.
    await raw("update credentials set next_check_at = now(), label = 'other', health = 'degraded'");
    await expect(update(custody, tenant.owner, id, 1, { policy: { reveal: true } })).resolves.toMatchObject({
      revision: 2,
    });
    await expect(reveal(custody, tenant.owner, id, "to see")).resolves.toBeDefined();
  });

  test("signs what its own transaction has changed and nothing that another has left to be signed", async () => {
    await writePastTriggers(`insert into grants.unsigned
      select tenant_id, 'credentials', id, grants.text(c), grant_mac from credentials c where id = '${id}'`);
    await allowRevealing();
    await world.createAccount(tenant.owner);
    await expect(reveal(custody, tenant.owner, id, "to see")).rejects.toMatchObject(unproven);
    await expect(update(custody, tenant.owner, id, 1, { label: "renamed" })).rejects.toMatchObject(unproven);
  });
});

describe("a process that has seen a right", () => {
  test("notices without asking that an older one was put back, and that the record was cut with it", async () => {
    await update(custody, tenant.owner, id, 1, { policy: { reveal: true } });
    await writePastTriggers(`create table old_row as select * from credentials where id = '${id}'`);
    await writePastTriggers(
      `create table old_head as select * from audit.heads where tenant_id = '${tenant.id}'`,
    );
    await reveal(custody, tenant.owner, id, "once");
    const { revision } = await update(custody, tenant.owner, id, 2, {
      policy: { reveal: false, allow: ["trade"] },
    });
    const seen = new Disclosures(world.database.appPool, signed(custody));
    const use = {
      principal: tenant.owner,
      credentialId: id,
      need: "trade",
      revision,
      event: "credential.used",
      detail: { purpose: "scope" },
    } as const;
    expect(await seen.append(use)).toMatchObject({ outcome: "ok" });
    await writePastTriggers(`update credentials c set reveal = o.reveal, allow = '{read}', revision = o.revision,
      grant_number = o.grant_number, grant_mac = o.grant_mac from old_row o where o.id = c.id`);
    await writePastTriggers(
      `delete from audit.links l using old_head o where l.tenant_id = o.tenant_id and l.link > o.link`,
    );
    await writePastTriggers(
      `update audit.heads h set link = o.link, seq = o.seq, hash = o.hash from old_head o where h.tenant_id = o.tenant_id`,
    );
    const again = { ...use, need: "reveal", revision: null } as const;
    await expect(seen.append(again)).rejects.toMatchObject(unproven);
    await sql`drop table old_row, old_head`.execute(world.database.owner);
  });
});
