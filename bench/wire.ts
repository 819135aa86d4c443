import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Call } from "./load.ts";

/** A request as it goes over the wire, made before the clock runs: a POST of JSON, or a read of Vault's. */
export function requestBytes({ path, token, reads }: Call, body: string): Uint8Array {
  if (reads === "vault")
    return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-vault-token: ${token}\r\n\r\n`);
  return Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n` +
      `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

const endOfHeaders = "\r\n\r\n";

/**
 * One kept-alive connection with one request under way. Of an answer it reads the status and the length and nothing else: the
 * driver shares the machine with what it measures, and whatever it spends on an answer the service lacks. A client library
 * took as much of it as the bare route.
 */
export class Wire {
  readonly #socket: Socket;
  #received: Buffer | null = null;
  #answered: ((succeeded: boolean) => void) | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => this.#answer(false));
  }

  static async open(origin: string): Promise<Wire> {
    const { hostname, port } = new URL(origin);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, "connect");
    return new Wire(socket);
  }

  /** `answered` is told whether it was a whole answer of status 200. */
  send(request: Uint8Array, answered: (succeeded: boolean) => void): void {
    this.#answered = answered;
    if (this.#socket.writable) this.#socket.write(request);
    else this.#answer(false);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    const bytes = this.#received === null ? chunk : Buffer.concat([this.#received, chunk]);
    const succeeded = succeededIn(bytes);
    this.#received = succeeded === null ? bytes : null;
    if (succeeded !== null) this.#answer(succeeded);
  }

  #answer(succeeded: boolean): void {
    const answered = this.#answered;
    this.#answered = null;
    answered?.(succeeded);
  }
}

/** Whether the answer is one of success; `null` while some of it is to come. Every answer that is measured tells its length. */
function succeededIn(bytes: Buffer): boolean | null {
  const end = bytes.indexOf(endOfHeaders);
  if (end < 0) return null;
  const headers = bytes.toString("latin1", 0, end);
  const length = Number(/content-length: (\d+)/i.exec(headers)?.[1]);
  return bytes.length < end + endOfHeaders.length + length ? null : headers.startsWith("HTTP/1.1 200 ");
}
