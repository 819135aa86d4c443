import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { Client } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { connectionFromUrl } from "../../../src/db/connect.ts";
import { type Certificate, makeCertificate } from "../../../testkit/certificate.ts";

const right = makeCertificate("127.0.0.1");
const wrong = makeCertificate("192.0.2.1");
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "keyhold-tls-"));
  await writeFile(join(folder, "right.pem"), right.certificate);
  await writeFile(join(folder, "wrong.pem"), wrong.certificate);
});
afterAll(() => rm(folder, { recursive: true }));

test("A remote server whose certificate a trusted authority signed gets the login", async () => {
  const seen = await login(right, { tls: "verify", caFile: join(folder, "right.pem") });
  expect(seen).toEqual({ encrypted: true, user: "keyhold_app", failure: "the server is a test" });
});

test("One that nobody vouches for gets nothing", async () => {
  const seen = await login(right, { tls: "verify" });
  expect(seen.user).toBeNull();
  expect(seen.failure).toContain("self-signed certificate");
});

test("One with the certificate of another host gets nothing", async () => {
  const seen = await login(wrong, { tls: "verify", caFile: join(folder, "wrong.pem") });
  expect(seen.user).toBeNull();
  expect(seen.failure).toContain("does not match certificate's altnames");
});

test("One that offers no TLS gets nothing", async () => {
  const seen = await login(null, { tls: "verify" });
  expect(seen).toEqual({
    encrypted: false,
    user: null,
    failure: "The server does not support SSL connections",
  });
});

test("Where TLS is switched off by name the login goes out in the clear (control)", async () => {
  const seen = await login(null, { tls: "off" });
  expect(seen).toEqual({ encrypted: false, user: "keyhold_app", failure: "the server is a test" });
});

type Seen = { encrypted: boolean; user: string | null; failure: string };

/**
 * Connects, with the settings for a remote host, to a server here that knows the first words of PostgreSQL's protocol:
 * the answer to SSLRequest, the start-up message with the user's name, and an error.
 */
async function login(
  certificate: Certificate | null,
  settings: { tls: "verify" | "off"; caFile?: string },
): Promise<Seen> {
  const seen: Seen = { encrypted: false, user: null, failure: "" };
  const server = createServer(
    (socket) => void serve(socket, certificate, seen).catch(() => socket.destroy()),
  );
  await once(server.listen(0, "127.0.0.1"), "listening");
  const remote = await connectionFromUrl({ url: "postgres://keyhold_app@db.example/keyhold", ...settings });
  const client = new Client({ ...remote, host: "127.0.0.1", port: portOf(server) });
  await client.connect().catch((error: Error) => (seen.failure = error.message));
  server.close();
  return seen;
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server listens on no port");
  return address.port;
}

async function serve(socket: Socket, certificate: Certificate | null, seen: Seen): Promise<void> {
  socket.on("error", () => undefined);
  let stream: Socket = socket;
  let message = await firstBytes(stream);
  if (message.readInt32BE(4) === sslRequest) {
    socket.write(certificate === null ? "N" : "S");
    if (certificate === null) return;
    stream = new TLSSocket(socket, { isServer: true, cert: certificate.certificate, key: certificate.key });
    stream.on("error", () => undefined);
    message = await firstBytes(stream);
    seen.encrypted = true;
  }
  seen.user = /user\0([^\0]+)/.exec(message.toString())?.[1] ?? null;
  stream.end(errorResponse("the server is a test"));
}

/** PostgreSQL's documentation, chapter "Message Formats". */
const sslRequest = 80_877_103;

function errorResponse(text: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C57P03\0M${text}\0\0`);
  const head = Buffer.from("E....");
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}

async function firstBytes(stream: Socket): Promise<Buffer> {
  const [bytes] = await once(stream, "data");
  return bytes;
}
