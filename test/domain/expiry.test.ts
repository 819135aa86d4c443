import { sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { expireDue } from "../../src/credentials/expiry.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { update } from "../../src/credentials/update.ts";
import { withSecret } from "../../src/credentials/use.ts";
import { validate } from "../../src/credentials/validate.ts";
import { eventNames } from "../../testkit/record.ts";
import { forge } from "../../testkit/rights.ts";
import { ScriptedVenue } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;
let accountId: string;
let custody: Custody;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ({ owner } = await world.createTenant());
  accountId = await world.createAccount(owner);
  custody = new ScriptedVenue().in(world.custody);
});

async function registered({ expiresAt }: Readonly<{ expiresAt: Date }>) {
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const input = { accountId, venue: "scripted", environment: "live", fields, expiresAt } as const;
  const credential = await register(custody, owner, input);
  return { ...credential, now: () => show(custody, owner, credential.id) };
}

describe("the end of a credential by its date", () => {
  test("is in force at once, is marked by the clock, and marked once", async () => {
    const credential = await registered({ expiresAt: new Date(Date.now() - 1000) });
    expect(credential.status).toBe("active");
    const expired = { code: "illegal_state", facts: { reason: "expired" } };
    await expect(withSecret(custody, owner, credential, () => Promise.resolve())).rejects.toMatchObject(
      expired,
    );
    expect(await expireDue(custody)).toEqual({ done: 1, failed: 0 });
    expect(await expireDue(custody)).toEqual({ done: 0, failed: 0 });
    expect(await credential.now()).toMatchObject({ status: "expired", revision: 2 });
    const names = await eventNames(custody.db, owner, credential.id);
    expect(names.filter((name) => name === "credential.expired")).toHaveLength(1);
  });

  test("is not marked if the owner moves it while the clock looks", async () => {
    const credential = await registered({ expiresAt: new Date(Date.now() - 1000) });
    const release = Promise.withResolvers<undefined>();
    const moved = Promise.withResolvers<undefined>();
    const row = { kind: "credentials", tenantId: owner.tenantId, id: credential.id } as const;
    const later = sql`update credentials set owner_expires_at = now() + interval '1 hour' where id = ${credential.id}`;
    const moving = forge(world, row, later, async () => {
      moved.resolve(undefined);
      await release.promise;
    });
    await moved.promise;
    const expiring = expireDue(custody);
    const waiting =
      "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while ((await world.database.ownerPool.query(waiting)).rowCount === 0) await Promise.resolve();
    release.resolve(undefined);
    await Promise.all([moving, expiring]);
    expect(await credential.now()).toMatchObject({ status: "active" });
    expect(await eventNames(custody.db, owner, credential.id)).not.toContain("credential.expired");
  });

  test("a later date alone does not bring it back; a valid verdict then does", async () => {
    const credential = await registered({ expiresAt: new Date(Date.now() - 1000) });
    await expireDue(custody);
    expect(await validate(custody, owner, credential.id)).toMatchObject({
      is_valid: true,
      status: "expired",
    });
    const { revision } = await credential.now();
    await update(custody, owner, credential.id, revision, { expiresAt: new Date(Date.now() + 60_000) });
    expect(await credential.now()).toMatchObject({ status: "expired" });
    expect(await validate(custody, owner, credential.id)).toMatchObject({ status: "active" });
  });
});
