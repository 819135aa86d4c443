import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../../src/access/principal.ts";
import type { Custody } from "../../src/credentials/custody.ts";
import { validateSecret } from "../../src/credentials/validate.ts";
import { countRows, eventsOf } from "../../testkit/record.ts";
import { refusals, ScriptedVenue, valid } from "../../testkit/scripted-venue.ts";
import { createWorld, secretFields, type World } from "../../testkit/world.ts";

let world: World;
let owner: Member;
let venue: ScriptedVenue;
let custody: Custody;

beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  ({ owner } = await world.createTenant());
  venue = new ScriptedVenue();
  custody = venue.in(world.custody);
});

describe("validating a secret that is not kept", () => {
  test.each([valid({ account: { type: "live", status: "ok" } }), ...refusals])(
    "tells $outcome $reason and keeps nothing but the outcome",
    async (verdict) => {
      venue.verdict = () => verdict;
      const before = await countRows(world.database.owner);
      const fields = secretFields({ api_key: "canary-key", api_secret: "canary-secret" });
      const told = await validateSecret(custody, owner, { venue: "scripted", environment: "live", fields });
      expect(told.outcome).toBe(verdict.outcome);
      const after = await countRows(world.database.owner);
      expect(after).toEqual({ ...before, "audit.links": (before["audit.links"] ?? 0) + 1 });
      const event = (await eventsOf(custody.db, owner)).at(-1);
      expect(event).toMatchObject({
        event: "credential.checked",
        detail: { venue: "scripted", environment: "live", outcome: verdict.outcome },
      });
      expect(JSON.stringify(event)).not.toContain("canary");
    },
  );
});
