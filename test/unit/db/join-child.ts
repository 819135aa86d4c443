import { Client } from "pg";
import { startEmbedded, joinEmbedded } from "../../../src/db/embedded.ts";

/** Runs as whoever started it: a service's database, and a command that joins it. Prints what came of it. */
const [, , folder = ""] = process.argv;
const service = await startEmbedded({ folder, durable: false });
const joined = await joinEmbedded(folder);
const client = new Client(joined?.connection("keyhold_owner", "keyhold"));
await client.connect();
const { rows } = await client.query("select 1 as one");
await client.end();
await service.stop();
const after = await joinEmbedded(folder);
process.stdout.write(JSON.stringify({ joined: joined?.data, answers: rows, after }));
