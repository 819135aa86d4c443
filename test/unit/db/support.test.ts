import { sql } from "kysely";
import { expect, test } from "vitest";
import { createDatabase } from "../../../testkit/database.ts";

test("A test file gets a database of its own, as the superuser and as the service", async () => {
  const database = await createDatabase();
  const asSuperuser = await sql<{ role: string; name: string }>`
    select current_user as role, current_database() as name`.execute(database.owner);
  const asApp = await sql<{ role: string }>`select current_user as role`.execute(database.app);
  expect(asSuperuser.rows).toEqual([{ role: "keyhold_superuser", name: database.name }]);
  expect(asApp.rows).toEqual([{ role: "keyhold_app" }]);
  await database.drop();
});
