import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { storedRefusals } from "../../../src/db/venue-refusals.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const place = { venue: "hollaex", environment: "live" } as const;

test("a venue is asked at most once a day, whatever came of it and however many ask", async () => {
  let asked = 0;
  const ask = (form: string | null) => () => {
    asked += 1;
    return Promise.resolve(form);
  };
  const [one, other] = [storedRefusals(database.app), storedRefusals(database.app)];
  const together = await Promise.all(
    [one, other, one].map((refusals) => refusals.of(place, ask("refused {}"))),
  );
  expect(asked).toBe(1);
  expect(together).toContain("refused {}");
  expect(await other.of(place, ask("another"))).toBe("refused {}");
  expect(await other.of({ ...place, environment: "testnet" }, ask(null))).toBeNull();
  expect(await one.of({ ...place, environment: "testnet" }, ask("late"))).toBeNull();
  expect(asked).toBe(2);

  await sql`update venue_refusals set asked_at = now() - interval '25 hours'`.execute(database.owner);
  expect(await one.of(place, ask("refused list"))).toBe("refused list");
  expect(asked).toBe(3);
});
