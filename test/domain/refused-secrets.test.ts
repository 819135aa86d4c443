import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { show } from "../../src/credentials/list.ts";
import { register } from "../../src/credentials/register.ts";
import { replace } from "../../src/credentials/replace.ts";
import { rotate } from "../../src/credentials/rotate.ts";
import type { Verdict } from "../../src/venues/verdict.ts";
import { eventsOf } from "../../testkit/record.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

/** Every way to bring a secret that is to be kept: a refusal is recorded, whatever refuses it. */
let world: World;
let owner: Member;
let accountId: string;
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
});

const fresh = () => secretFields({ api_key: "key-2", api_secret: "secret-2" });
const place = () => ({ accountId, venue: "scripted", environment: "live" }) as const;

async function registered(): Promise<string> {
  const fields = secretFields({ api_key: "key-1", api_secret: "secret-1" });
  return (await register(custody, owner, { ...place(), fields })).id;
}

const ways = {
  register: {
    event: "credential.refused_at_register",
    bring: () => register(custody, owner, { ...place(), label: "another", fields: fresh() }),
  },
  replace: {
    event: "credential.replacement_refused",
    bring: (id: string) => replace(custody, owner, id, 1, fresh()),
  },
  rotate: {
    event: "credential.rotation_refused",
    bring: (id: string) => rotate(custody, owner, id, 1, { fields: fresh(), allowWider: true }),
  },
} as const;

const causes: readonly (readonly [string, Verdict, string])[] = [
  [
    "the venue, for certain",
    { outcome: "rejected", reason: "bad_key", message: "Bad key." },
    "venue_rejected",
  ],
  ["the venue, which could not be asked", { outcome: "timeout", message: "No answer." }, "venue_unavailable"],
  ["a venue that proves nothing", { outcome: "unproven", message: "Unproven." }, "venue_unproven"],
  ["the tenant's policy", valid({ permissions: { withdraw: "yes" } }), "withdraw_refused"],
];

describe.each(["register", "replace", "rotate"] as const)("A secret that is brought to %s it", (way) => {
  test.each(causes)(
    "and is refused by %s stands in the record once, with the reason",
    async (_, verdict, code) => {
      const id = await registered();
      const before = await show(custody, owner, id);
      venue.verdict = () => verdict;
      const { event, bring } = ways[way];
      await expect(bring(id)).rejects.toMatchObject({ code });
      const events = (await eventsOf(custody.db, owner)).filter((one) => one.event === event);
      expect(events).toHaveLength(1);
      expect(events[0]).toMatchObject({
        outcome: way === "register" ? verdict.outcome : code,
        detail: { reason: code, actor: { member_id: owner.memberId } },
      });
      expect(await show(custody, owner, id), "nothing has changed").toEqual(before);
    },
  );

  test("and is accepted leaves no refusal in the record", async () => {
    const id = await registered();
    const { event, bring } = ways[way];
    await bring(id);
    expect((await eventsOf(custody.db, owner)).map((one) => one.event)).not.toContain(event);
  });
});

test("A key of another account, or one that may do more, stands in the record as a refused rotation", async () => {
  const id = await registered();
  venue.verdict = () => valid({ account: { id: "account-2" } });
  await expect(ways.rotate.bring(id)).rejects.toMatchObject({ code: "venue_account" });
  venue.verdict = () => valid({ permissions: { transfer: "yes" } });
  const narrow = rotate(custody, owner, id, 1, { fields: fresh() });
  await expect(narrow).rejects.toMatchObject({ code: "wider_permissions" });
  const events = await eventsOf(custody.db, owner, id);
  const refused = events.filter(({ event }) => event === ways.rotate.event);
  expect(refused.map(({ detail }) => detail["reason"])).toEqual(["venue_account", "wider_permissions"]);
});
