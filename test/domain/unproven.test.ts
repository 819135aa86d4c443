import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { show } from "../../src/credentials/list.ts";
import { register, type Registration } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { validate } from "../../src/credentials/validate.ts";
import { updatePolicy } from "../../src/tenants/tenant.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type Tenant, type World } from "../../testkit/world.ts";

let world: World;
let tenant: Tenant;
let owner: Member;
let accountId: string;
let venue: ScriptedVenue;
let custody: Custody;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  tenant = await world.createTenant();
  owner = tenant.owner;
  accountId = await world.createAccount(owner);
  venue = new ScriptedVenue({ provable: false });
  venue.verdict = () => ({
    outcome: "unproven",
    message: "Scripted: nothing proves the key. Reads need none.",
  });
  custody = venue.in(world.custody);
});

const allow = (allow_unproven: boolean) => updatePolicy(custody.db, owner, { allow_unproven });
const fields = (secret = "secret") => secretFields({ api_key: "key", api_secret: secret });
const registered = (changes: Partial<Registration> = {}) =>
  register(custody, owner, {
    accountId,
    venue: "scripted",
    environment: "live",
    fields: fields(),
    ...changes,
  });
const unknown = { read: "unknown", trade: "unknown", withdraw: "unknown", transfer: "unknown" } as const;

describe("a key that nothing proves", () => {
  test("is refused with the reason, and with what would keep it", async () => {
    await expect(registered()).rejects.toMatchObject({
      code: "venue_unproven",
      detail: expect.stringMatching(/Reads need none\. Nothing was stored\. .*`allow_unproven`/),
    });
  });

  test("is kept where the tenant's policy takes it, with nothing said of its rights or health", async () => {
    await allow(true);
    expect(await registered()).toMatchObject({ status: "active", health: "unknown", permissions: unknown });
  });

  test("is kept by no policy that refuses keys of unknown rights", async () => {
    await allow(true);
    await updatePolicy(custody.db, owner, { allow_unknown_permissions: false });
    await expect(registered()).rejects.toMatchObject({ code: "permissions_unknown" });
  });

  test("is neither valid nor invalid when it is asked about, and stays as it is", async () => {
    await allow(true);
    const { id, ...before } = await registered();
    expect(await validate(custody, owner, id)).toMatchObject({
      is_valid: null,
      outcome: "unproven",
      status: "active",
    });
    await allow(false);
    await validate(custody, owner, id);
    expect(await show(custody, owner, id)).toMatchObject({ status: before.status, health: before.health });
  });

  test("takes the place of another one only where the policy takes it", async () => {
    await allow(true);
    const { id, revision } = await registered();
    await allow(false);
    const refused = replace(custody, owner, id, revision, fields("other"));
    await expect(refused).rejects.toMatchObject({ code: "venue_unproven" });
    await allow(true);
    const replaced = await replace(custody, owner, id, revision, fields("other"));
    expect(replaced).toMatchObject({ status: "active", health: "unknown", secret: { version: 2 } });
  });

  test.each([
    [true, "active", "unknown"],
    [false, "invalid", "unhealthy"],
  ] as const)(
    "leaves pending when it is checked, as the policy has it (%s)",
    async (allows, status, health) => {
      await updatePolicy(custody.db, owner, { allow_deferred: true, allow_unproven: allows });
      const { id } = await registered({ validation: "deferred" });
      await validate(custody, owner, id);
      expect(await show(custody, owner, id)).toMatchObject({ status, health });
    },
  );

  test("is like any other once the venue proves it", async () => {
    await allow(true);
    const { id } = await registered();
    venue.verdict = () => valid();
    expect(await validate(custody, owner, id)).toMatchObject({ is_valid: true });
    expect(await show(custody, owner, id)).toMatchObject({ health: "healthy", permissions: { read: "yes" } });
  });
});
