import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

export type Received = Readonly<{
  method: string;
  path: string;
  headers: IncomingMessage["headers"];
  body: string;
}>;
export type Reply = Readonly<{ status: number; body?: unknown; headers?: Record<string, string> }>;

/** A node that says what a test wants, and remembers what it was asked. `null` is no answer at all. */
export type FakeNode = Readonly<{
  address: string;
  received: Received[];
  reply(answer: (request: Received) => Reply | null): void;
  close(): Promise<void>;
}>;

const token = { client_token: "hvs.of-a-test", lease_duration: 0, renewable: false };

/** Logs everybody in, has a key-value engine of version 2, and holds nothing, until it is told otherwise. */
export function usual({ path }: Received): Reply {
  if (path.startsWith("/v1/auth/approle/login")) return { status: 200, body: { auth: token } };
  if (path.startsWith("/v1/auth/token/lookup-self")) return { status: 200, body: { data: { ttl: 0 } } };
  if (path.startsWith("/v1/sys/health")) return { status: 200, body: { sealed: false } };
  if (path.startsWith("/v1/sys/internal/ui/mounts/"))
    return { status: 200, body: { data: { path: "secret/", type: "kv", options: { version: "2" } } } };
  return { status: 404, body: { errors: [] } };
}

export async function startFakeNode(): Promise<FakeNode> {
  let answer: (request: Received) => Reply | null = usual;
  const received: Received[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const it = await receive(request);
    received.push(it);
    const reply = answer(it);
    if (reply !== null) send(response, reply);
  };
  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    address: `http://127.0.0.1:${port}`,
    received,
    reply: (next) => {
      answer = next;
    },
    close: async () => {
      if (!server.listening) return;
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

async function receive(request: IncomingMessage): Promise<Received> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) if (chunk instanceof Uint8Array) chunks.push(chunk);
  const { method = "", url = "", headers } = request;
  return { method, path: url, headers, body: Buffer.concat(chunks).toString() };
}

function send(response: ServerResponse, { status, body, headers = {} }: Reply): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(typeof body === "string" ? body : body === undefined ? "" : JSON.stringify(body));
}
