import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { z } from "zod";

const message = z.object({ data: z.object({ credential_id: z.string() }) });

/** Takes webhooks on loopback, and says of each when it came. */
export type Receiver = AsyncDisposable & Readonly<{ url: string }>;

export async function startReceiver(arrived: (credentialId: string, at: number) => void): Promise<Receiver> {
  const take = async (request: IncomingMessage): Promise<void> => {
    const at = performance.now();
    arrived(message.parse(await json(request)).data.credential_id, at);
  };
  const server = createServer((request, response) => {
    take(request).then(
      () => response.writeHead(204).end(),
      () => response.writeHead(400).end(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the receiver has no port");
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
