import { expect, test } from "vitest";
import { startEmbedded } from "../../../src/db/embedded.ts";
import { ownerRole, superuserRole } from "../../../src/db/embedded/passwords.ts";
import { withClient } from "../../../src/db/embedded/set-up.ts";
import { appRole } from "../../../src/db/roles.ts";
import { useServer } from "../../../testkit/postgres.ts";
import { makeState } from "../../../testkit/state.ts";

test("KEYHOLD_TEST_DATABASE_URL runs the tests on a PostgreSQL of one's own, and leaves no database in it", async () => {
  await using state = await makeState();
  const server = await startEmbedded({ folder: state.folder, durable: false });
  const { host = "", port = 0, password } = server.connection(superuserRole, "postgres");
  const own = `postgres://${superuserRole}:${String(password)}@localhost:${port}/postgres?host=${encodeURIComponent(host)}`;
  const { facts, stop } = await useServer(own);
  const connection = (user: string, database: string) => {
    return {
      host: facts.socketFolder,
      port: facts.port,
      user,
      password: facts.passwords[user] ?? "",
      database,
    };
  };
  const names = "select datname::text as name from pg_database where datname like 'keyhold_template%'";
  const databases = () =>
    withClient(connection(superuserRole, "postgres"), async (client) => (await client.query(names)).rows);

  expect(await databases()).toEqual([{ name: facts.template }]);
  for (const role of [ownerRole, appRole]) {
    const tables = "select count(*)::integer as count from pg_tables where tablename = 'credentials'";
    const { rows } = await withClient(connection(role, facts.template), (client) => client.query(tables));
    expect(rows).toEqual([{ count: 1 }]);
  }
  await stop();
  expect(await databases()).toEqual([]);
  await server.stop();
});
