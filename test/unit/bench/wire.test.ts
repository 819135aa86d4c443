import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterEach, describe, expect, test } from "vitest";
import { requestBytes, Wire } from "../../../bench/wire.ts";
import { Wires } from "../../../bench/wires.ts";

let server: Server;

afterEach(() => server.close());

async function originOf(listening: Server): Promise<string> {
  server = listening.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("a server has a port");
  return `http://127.0.0.1:${address.port}`;
}

const serve = (listener: RequestListener) => originOf(createServer(listener));
/** Answers on the bare connection, in pieces. */
const speak = (pieces: readonly string[], end = false) =>
  originOf(
    createTcpServer((socket) => {
      socket.on("error", () => undefined);
      socket.once("data", () => void say(socket, pieces, end));
    }),
  );

async function say(socket: Socket, pieces: readonly string[], end: boolean): Promise<void> {
  for (const piece of pieces) await new Promise((resolve) => socket.write(piece, resolve));
  if (end) socket.end();
}

async function ask(
  origin: string,
  request = requestBytes({ path: "/", token: "token" }, "{}"),
): Promise<boolean> {
  const wire = await Wire.open(origin);
  const succeeded = await new Promise<boolean>((resolve) => wire.send(request, resolve));
  wire.close();
  return succeeded;
}

describe("one connection of the driver", () => {
  test("sends a request that a server understands, and takes its answer for a success", async () => {
    const seen: unknown[] = [];
    const origin = await serve((request, response) => {
      void text(request).then((body) => {
        seen.push(request.url, request.headers.authorization, body);
        return response.end("fine");
      });
    });

    expect(await ask(origin, requestBytes({ path: "/path", token: "a.b.c" }, '{"reason":"ü"}'))).toBe(true);
    expect(seen).toEqual(["/path", "Bearer a.b.c", '{"reason":"ü"}']);
  });

  test.each([500, 429, 204])("takes an answer of status %i for an error", async (status) => {
    const origin = await serve((request, response) => {
      response.writeHead(status, { "content-length": "0" }).end();
      request.resume();
    });

    expect(await ask(origin)).toBe(false);
  });

  test("waits for the whole of an answer that comes in pieces", async () => {
    const origin = await speak(["HTTP/1.1 200 OK\r\ncontent-", "length: 4\r\n\r\n", "fi", "ne"]);

    expect(await ask(origin)).toBe(true);
  });

  test("takes half of an answer for an error", async () => {
    const origin = await speak(["HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfi"], true);

    expect(await ask(origin)).toBe(false);
  });
});

describe("the connections of an open loop", () => {
  test("are no more than they may be, and answer everything that is sent", async () => {
    let most = 0;
    let open = 0;
    const origin = await serve((request, response) => {
      open += 1;
      most = Math.max(most, open);
      request.resume();
      setImmediate(() => {
        open -= 1;
        response.end("fine");
      });
    });
    using wires = new Wires(origin, 4);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => wires.send(requestBytes({ path: "/", token: "token" }, "{}"))),
    );

    expect(answers).toEqual(Array.from({ length: 50 }, () => true));
    expect(most).toBeLessThanOrEqual(4);
  });

  test("count what nobody answers as errors", async () => {
    const origin = await speak([], true);
    using wires = new Wires(origin, 2);
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => wires.send(requestBytes({ path: "/", token: "token" }, "{}"))),
    );

    expect(answers).toEqual([false, false, false, false, false]);
  });
});
