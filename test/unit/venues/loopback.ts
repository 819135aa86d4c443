import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

export type Canned = Readonly<{ status?: number; headers?: Record<string, string>; body: string }>;

export type Received = Readonly<{
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}>;

/** A server of our own on loopback that answers every request as it is told and remembers what came in. */
export class Loopback implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly url: string;
  readonly #close: () => Promise<void>;
  #answer: (request: Received, response: ServerResponse) => void = (_request, response) => response.end("{}");

  private constructor(url: string, close: () => Promise<void>) {
    this.url = url;
    this.#close = close;
  }

  static async start(): Promise<Loopback> {
    const server = createServer((request, response) => {
      void (async () => {
        const { method = "", url = "", headers } = request;
        const received = { method, url, headers, body: await text(request) };
        loopback.received.push(received);
        loopback.#answer(received, response);
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const close = () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    const { port } = addressOf(server.address());
    const loopback = new Loopback(`http://127.0.0.1:${port}`, close);
    return loopback;
  }

  /** From now on, every answer is this one. */
  say({ status = 200, headers = {}, body }: Canned): void {
    this.#answer = (_request, response) => response.writeHead(status, headers).end(body);
  }

  sayJson(body: unknown, status = 200): void {
    this.say({ status, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  }

  /** From now on, answers are made from requests. */
  reply(answer: (request: Received, response: ServerResponse) => void): void {
    this.#answer = answer;
  }

  forget(): void {
    this.received.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

function addressOf(address: string | AddressInfo | null): AddressInfo {
  if (address === null || typeof address === "string") throw new TypeError("the server does not listen");
  return address;
}
