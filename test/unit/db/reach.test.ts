import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { readConfig } from "../../../src/config/config.ts";
import { type Connection, connectionFromUrl, openPool } from "../../../src/db/connect.ts";
import { reachServer } from "../../../src/db/reach.ts";
import { startDatabase } from "../../../src/db/start.ts";
import { urlOf } from "../../../testkit/connection.ts";
import { createDatabase, type TestDatabase } from "../../../testkit/database.ts";
import { freePort } from "../../../testkit/free-port.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await createDatabase();
});
afterAll(() => database.drop());

const variable = "DATABASE_URL";
const quick = { variable, waitMs: 0 };

async function refusal(connection: Connection, options = quick): Promise<string> {
  const error: unknown = await reachServer(connection, options).catch((thrown: unknown) => thrown);
  expect(error, String(error)).toMatchObject({ name: "StartError" });
  return error instanceof Error ? error.message : "";
}

const at = (host: string, port: number): Connection => ({ host, port, user: "u", database: "d", ssl: false });

describe("A database that cannot be used is told of in one sentence that names the setting", () => {
  test.each([
    [
      "28P01",
      "password authentication failed",
      /refuses the password of the role u\. Correct DATABASE_URL, or set/,
    ],
    ["3D000", 'database "d" does not exist', /There is no database d at .* correct DATABASE_URL/],
    [
      "28000",
      'no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption',
      /over TLS alone/,
    ],
    [
      "28000",
      'role "u" does not exist',
      /does not let the role u of DATABASE_URL in: role "u" does not exist/,
    ],
    ["42501", "permission denied for database", /may not connect to the database d: grant connect/],
    ["53300", "too many connections", /has no connection left/],
    ["57P03", "the database system is starting up", /is starting up or shutting down/],
    ["08P01", "no such database: d", /refuses the connection: no such database: d/],
    ["XX000", "odd", /refuses the connection: odd/],
  ])("SQLSTATE %s: %s", async (code, message, sentence) => {
    const server = await fakeServer((socket) => socket.end(errorResponse(code, message)));
    expect(await refusal(at("127.0.0.1", portOf(server)))).toMatch(sentence);
    server.close();
  });

  test("a port where nothing listens, a host that nobody knows, a socket that is not there", async () => {
    const port = await freePort();
    expect(await refusal(at("127.0.0.1", port))).toMatch(
      new RegExp(`No PostgreSQL answers at 127.0.0.1:${port}.*correct the host and the port in DATABASE_URL`),
    );
    expect(await refusal(at("keyhold.invalid", 5432))).toMatch(/host keyhold\.invalid in DATABASE_URL/);
    expect(await refusal(at("/nowhere", 5432))).toMatch(/There is no socket of a PostgreSQL at \/nowhere/);
  });

  test("something that is no PostgreSQL, or answers nothing to TLS", async () => {
    const web = await fakeServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    const port = portOf(web);
    expect(await refusal(at("127.0.0.1", port))).toMatch(/DATABASE_URL/);
    web.close();
    const plain = await fakeServer((socket) => socket.write("N"));
    const tls = { ...at("127.0.0.1", portOf(plain)), ssl: { rejectUnauthorized: true } };
    expect(await refusal(tls)).toMatch(/offers no TLS.*KEYHOLD_DATABASE_TLS/);
    plain.close();
  });

  test("the database of a URL with a wrong password, of another owner's URL, and without rights on the tables", async () => {
    const right = urlOf(database.connection("keyhold_app"));
    const start = (more: Record<string, string>) =>
      startDatabase(
        readConfig({ DATABASE_URL: right, KEYHOLD_KEY_FILE: "/k", KEYHOLD_LOCAL_ISSUER: "on", ...more }),
        { waitMs: 0 },
      );
    const wrong = right.replace(/:[^:@]+@/, ":planted-password@");
    const refused: unknown = await start({ DATABASE_URL: wrong }).catch((error: unknown) => error);
    expect(String(refused)).toMatch(
      /^StartError: .* refuses the password of the role keyhold_app\. Correct DATABASE_URL/,
    );
    expect(String(refused)).not.toContain("planted-password");
    const owner = urlOf(database.connection("keyhold_owner")).replace(/:[^:@]+@/, ":planted-password@");
    await expect(start({ KEYHOLD_OWNER_DATABASE_URL: owner })).rejects.toThrow(
      "Correct KEYHOLD_OWNER_DATABASE_URL",
    );
    const other = `other_${crypto.randomUUID().slice(0, 8)}`;
    await database.ownerPool.query(`create role ${other} login password 'of-a-role-of-a-test'`);
    await expect(start({ DATABASE_URL: urlOf(database.connection(other)) })).rejects.toThrow(
      `The role ${other} of DATABASE_URL has no rights on Keyhold's tables. Connect as keyhold_app, or run: grant keyhold_app to "${other}";`,
    );
    await database.ownerPool.query(`grant keyhold_app to ${other}`);
    await (await start({ DATABASE_URL: urlOf(database.connection(other)) })).stop();
    await database.ownerPool.query(`drop role ${other}`);
  });
});

test("A database that comes up while it is waited for is used, and one that never does is told of with the time", async () => {
  const port = await freePort();
  const { user, password, database: name } = database.connection("keyhold_app");
  const connection = { ...at("127.0.0.1", port), user, password, database: name };
  const told: string[] = [];
  const reaching = reachServer(connection, { variable, onEvent: (event) => told.push(event) });
  await expect.poll(() => told).toEqual(["waiting"]);
  const way = await wayToCluster(port);
  expect(await reaching).toMatchObject({ host: "127.0.0.1", port });
  await way.close();
  expect(await refusal(connection, { variable, waitMs: 600 })).toMatch(/Keyhold has waited for 1 seconds\.$/);
});

test("Of several hosts the one that answers is used, also after it has gone", async () => {
  const ports = [await freePort(), await freePort(), await freePort()] as const;
  const { user = "", password = "", database: name = "" } = database.connection("keyhold_app");
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(",");
  const url = `postgres://${user}:${String(password)}@${hosts}/${name}`;
  const second = await wayToCluster(ports[1]);
  const reached = await reachServer(await connectionFromUrl({ url, tls: "verify" }), quick);
  expect(reached).toMatchObject({ port: ports[1], others: [{ port: ports[0] }, { port: ports[2] }] });
  const pool = openPool(reached, { applicationName: "hosts", max: 2 });
  expect((await pool.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  await second.close();
  const third = await wayToCluster(ports[2]);
  while ((await pool.query("select 1").catch(() => null)) === null) await sleep(10);
  const client = await pool.connect();
  expect((await client.query("select 1 as one")).rows).toEqual([{ one: 1 }]);
  client.release();
  await pool.end();
  await third.close();
});

type Way = Readonly<{ close(): Promise<void> }>;

/** A port that leads to the cluster of the run, which listens on a socket alone. */
async function wayToCluster(port: number): Promise<Way> {
  const { socketFolder, port: number } = inject("cluster");
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    const far = connect(join(socketFolder, `.s.PGSQL.${number}`));
    for (const one of [socket, far]) {
      open.add(one);
      one.on("error", () => undefined);
    }
    socket.pipe(far).pipe(socket);
  });
  await once(server.listen(port, "127.0.0.1"), "listening");
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** Answers the first message of each client. */
async function fakeServer(answer: (socket: Socket) => void): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => answer(socket));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return server;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no port");
  return address.port;
}

/** PostgreSQL's documentation, "Message Formats". */
function errorResponse(code: string, message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.from("E....");
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
