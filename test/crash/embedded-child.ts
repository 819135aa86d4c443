import { Client } from "pg";
import { startEmbedded } from "../../src/db/embedded.ts";

/** A Keyhold to be killed: starts the server of a folder, commits one row, leaves another uncommitted, and stays. */
const [, , folder = ""] = process.argv;
const server = await startEmbedded({ folder });
const client = new Client(server.connection("keyhold_owner", "keyhold"));
await client.connect();
await client.query("create table if not exists kept (word text)");
await client.query("insert into kept values ('committed')");
await client.query("begin");
await client.query("insert into kept values ('uncommitted')");
process.stdout.write(`${JSON.stringify({ data: server.data, created: server.created })}\n`);
setInterval(() => undefined, 60_000);
