import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { show } from "../../src/credentials/list.ts";
import { expiryOf } from "../../src/credentials/outcome.ts";
import { register } from "../../src/credentials/register.ts";
import { validate } from "../../src/credentials/validate.ts";
import { mexc } from "../../src/venues/exchanges/mexc.ts";
import { eventNames } from "../../testkit/record.ts";
import { ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

let world: World;
let owner: Member;
let custody: Custody;
let venue: ScriptedVenue;
let id: string;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ({ owner } = await world.createTenant());
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
});

const now = Date.now();
const asKept = { permissions: valid().permissions, expiresAt: null, account: {} };
/** An answer that gives a remainder in whole units: `latest` is the latest end that it allows. */
const answers = (latest: number, expiresWithinMs = dayMs) => {
  const expiresAt = new Date(latest - expiresWithinMs).toISOString();
  venue.verdict = () => ({ ...valid({ expiresAt }), expiresWithinMs });
};
const registered = async (): Promise<string> => {
  const accountId = await world.createAccount(owner);
  const fields = secretFields({ api_key: "key", api_secret: "secret" });
  const registration = { accountId, venue: "scripted", environment: "live", fields } as const;
  ({ id } = await register(custody, owner, registration));
  return endOf();
};
const endOf = async (): Promise<string> => String((await show(custody, owner, id)).expires_at);
const checked = async (): Promise<string> => {
  await validate(custody, owner, id);
  return endOf();
};

describe("an expiry that a venue gives in whole days", () => {
  test("stays where it was first seen, and no event is recorded", async () => {
    answers(now + 40 * dayMs);
    const first = await registered();
    for (const drift of [1, 7, 13, 23.9, -5, -23.9]) {
      answers(now + 40 * dayMs + drift * hourMs);
      expect(await checked()).toBe(first);
    }
    expect(await eventNames(custody.db, owner)).not.toContain("credential.account_changed");
  });

  test("moves when the venue has given the key more time, or less", async () => {
    answers(now + 10 * dayMs);
    const first = await registered();
    answers(now + 90 * dayMs);
    expect(await checked()).not.toBe(first);
    expect(await checked()).toBe(new Date(now + 90 * dayMs).toISOString());
    answers(now + 3 * dayMs);
    expect(await checked()).toBe(new Date(now + 3 * dayMs).toISOString());
  });

  test("moves with every answer where the venue gives a moment", async () => {
    answers(now + 10 * dayMs, 0);
    const first = await registered();
    answers(now + 10 * dayMs + hourMs, 0);
    expect(await checked()).not.toBe(first);
  });

  test.each([0, 1, 82])("is not before the last of %i days is over at MEXC", (remainingValidity) => {
    const [{ read }] = mexc.probes("live");
    const information = read(
      { permissions: "SPOT_ACCOUNT_READ", status: "VALID", remainingValidity },
      new Map(),
    );
    const end = expiryOf({ outcome: "valid", ...(information ?? asKept) });
    expect(end?.getTime()).toBeGreaterThan(Date.now() + remainingValidity * dayMs + 23 * hourMs);
  });
});
