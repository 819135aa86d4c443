import { once } from "node:events";
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { z } from "zod";
import type { Certificate } from "./certificate.ts";

/** A message as it came over the wire. */
export type Received = Readonly<{
  path: string;
  id: string;
  headers: Readonly<Record<string, string>>;
  payload: string;
  /** The payload, taken apart. */
  type: string;
  data: Readonly<Record<string, unknown>>;
}>;

type Answer = (message: Received, response: ServerResponse, request: IncomingMessage) => void;

const payloadShape = z.object({
  type: z.string(),
  timestamp: z.string(),
  data: z.record(z.string(), z.unknown()),
});

/** Somebody who receives webhooks on loopback, keeps them in the order in which they came and answers what `answer` says: 204. */
export class Receiver {
  readonly messages: Received[] = [];
  readonly url: string;
  answer: Answer = (_, response) => void response.writeHead(204).end();
  readonly #server: ReturnType<typeof createServer>;

  private constructor(server: ReturnType<typeof createServer>, url: string) {
    this.#server = server;
    this.url = url;
  }

  static async start(
    options: Readonly<{ host?: string; port?: number; tls?: Certificate }> = {},
  ): Promise<Receiver> {
    const { host = "127.0.0.1", port = 0, tls } = options;
    const waiting: { receive: RequestListener } = { receive: () => undefined };
    const listener: RequestListener = (request, response) => waiting.receive(request, response);
    const server =
      tls === undefined
        ? createServer(listener)
        : createTlsServer({ cert: tls.certificate, key: tls.key }, listener);
    server.listen(port, host);
    await once(server, "listening");
    const url = `${tls === undefined ? "http" : "https"}://${host}:${portOf(server.address())}/hook`;
    const receiver = new Receiver(server, url);
    waiting.receive = (request, response) => void receiver.#receive(request, response);
    return receiver;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  /** How often each id came. */
  get ids(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const { id } of this.messages) counts.set(id, (counts.get(id) ?? 0) + 1);
    return counts;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const payload = (await buffer(request)).toString();
    const { type, data } = payloadShape.parse(JSON.parse(payload));
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    );
    const message = {
      path: request.url ?? "",
      id: headers["webhook-id"] ?? "",
      headers,
      payload,
      type,
      data,
    };
    this.messages.push(message);
    this.answer(message, response, request);
  }
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === "string") throw new Error("the receiver has no port");
  return address.port;
}
