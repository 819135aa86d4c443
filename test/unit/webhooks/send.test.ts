import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { createGuard } from "../../../src/webhooks/guard.ts";
import { send, type Sent } from "../../../src/webhooks/send.ts";
import { makeCertificate } from "../../../testkit/certificate.ts";
import { freePort } from "../../../testkit/free-port.ts";
import { Receiver } from "../../../testkit/receiver.ts";

const payload = '{"type":"webhook.test","timestamp":"","data":{}}';
/** For receivers that answer, and for those that do not. */
const patient = 300_000;
const hasty = 400;

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function sendTo(url: string, withinMs = patient): Promise<Sent> {
  const guard = createGuard({ networks: ["127.0.0.1"] });
  ends.push(() => guard.close());
  return send(guard.dispatcher, { url, headers: { "webhook-id": "msg_1" }, payload }, withinMs);
}

async function receiving(answer: Receiver["answer"]): Promise<Receiver> {
  const receiver = await Receiver.start();
  receiver.answer = answer;
  ends.push(() => receiver.close());
  return receiver;
}

/** A server of TCP that does with each connection what `serve` does. */
async function listening(serve: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    serve(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
}

describe("an answer", () => {
  test.each([
    [200, "delivered"],
    [204, "delivered"],
    [299, "delivered"],
    [304, "redirected"],
    [400, "status_4xx"],
    [401, "status_4xx"],
    [404, "status_4xx"],
    [410, "gone"],
    [429, "status_4xx"],
    [500, "status_5xx"],
    [503, "status_5xx"],
  ])("of status %i counts as %s", async (status, outcome) => {
    const receiver = await receiving((_, response) => void response.writeHead(status).end());

    expect(await sendTo(receiver.url)).toEqual({ outcome, status });
    expect(receiver.messages).toMatchObject([{ id: "msg_1", payload }]);
  });

  test("of ten megabytes is read to 64 kB, and its status counts", async () => {
    let written = 0;
    const piece = Buffer.alloc(64 * 1024, "x");
    const closed = Promise.withResolvers<undefined>();
    const receiver = await receiving((_, response) => {
      response.on("close", () => closed.resolve(undefined));
      response.writeHead(200);
      const more = (): void => {
        while (written < 10_000_000 && response.write(piece)) written += piece.byteLength;
        if (written >= 10_000_000) response.end();
      };
      response.on("drain", more);
      more();
    });

    expect(await sendTo(receiver.url)).toEqual({ outcome: "delivered", status: 200 });
    await closed.promise;
    // Beside what was read there are the buffers of both sockets.
    expect(written).toBeLessThan(10_000_000);
  });

  test("whose body never ends counts by its status when the time is over", async () => {
    const receiver = await receiving((_, response) => void response.writeHead(202).write("…"));

    expect(await sendTo(receiver.url, hasty)).toEqual({ outcome: "delivered", status: 202 });
  });
});

describe("no answer", () => {
  test("within the time is a time-out: of one who says nothing, and of one who dribbles", async () => {
    const silent = await receiving(() => undefined);
    const dribbling = await listening((socket) => {
      const timer = setInterval(() => socket.write("x"), 20);
      socket.on("close", () => clearInterval(timer));
      socket.write("HTTP/1.1 200 OK\r\nx-slow: ");
    });

    expect(await sendTo(silent.url, hasty)).toEqual({ outcome: "timeout", status: null });
    expect(await sendTo(dribbling, hasty)).toEqual({ outcome: "timeout", status: null });
  });

  test("because nobody listens, or somebody hangs up, is a failed connection", async () => {
    const rude = await listening((socket) => socket.destroy());

    expect(await sendTo(`http://127.0.0.1:${await freePort()}/`)).toEqual({
      outcome: "connection",
      status: null,
    });
    expect(await sendTo(rude)).toEqual({ outcome: "connection", status: null });
  });

  test.each([
    ["another protocol", "SSH-2.0-OpenSSH_9.9\r\n"],
    ["headers without an end", `HTTP/1.1 200 OK\r\n${"x-long: y\r\n".repeat(20_000)}`],
    ["a broken length", "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n"],
  ])("that HTTP knows is malformed: %s", async (_, answer) => {
    const odd = await listening((socket) => socket.once("data", () => socket.write(answer)));

    expect(await sendTo(odd)).toEqual({ outcome: "malformed", status: null });
  });

  test("of one whose certificate nobody has signed is a failure of TLS, and nothing is sent", async () => {
    const receiver = await Receiver.start({ tls: makeCertificate("127.0.0.1") });
    ends.push(() => receiver.close());

    expect(await sendTo(receiver.url)).toEqual({ outcome: "tls", status: null });
    expect(receiver.messages).toHaveLength(0);
  });

  test("by TLS of one who speaks something else is a failure of TLS", async () => {
    const plain = await receiving(() => undefined);

    expect(await sendTo(plain.url.replace("http:", "https:"))).toEqual({ outcome: "tls", status: null });
  });
});
