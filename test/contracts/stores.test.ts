import { randomUUID } from "node:crypto";
import { openDb, openPool } from "../../src/db/connect.ts";
import { createPostgresStore } from "../../src/stores/postgres.ts";
import { createDatabase } from "../support/database.ts";
import { storeContract } from "./store-contract.ts";

storeContract("postgres", async () => {
  const database = await createDatabase();
  const db = openDb(openPool(database.connection("keyhold_app"), { applicationName: "store" }));
  let connected = true;
  const disconnect = async (): Promise<void> => {
    if (connected) await db.destroy();
    connected = false;
  };
  return {
    store: createPostgresStore(db),
    tenantId: randomUUID(),
    disconnect,
    async close() {
      await disconnect();
      await database.drop();
    },
  };
});
