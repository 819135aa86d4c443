import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";
import { Webhook } from "standardwebhooks";

/** Prints the events of Keyhold, one a line. WEBHOOK_SECRET=whsec_… PORT=8080 node examples/webhook-receiver.ts */
const { WEBHOOK_SECRET: secret = "", PORT: port = "8080" } = process.env;
const webhook = new Webhook(secret);

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as const);
  try {
    // The signature is over the bytes as they came: verify before anything parses them.
    const event = webhook.verify(await buffer(request), Object.fromEntries(headers));
    process.stdout.write(`${String(request.headers["webhook-id"])} ${JSON.stringify(event)}\n`);
    response.writeHead(204).end();
  } catch {
    response.writeHead(400).end();
  }
}

createServer((request, response) => void receive(request, response)).listen(Number(port), "127.0.0.1");
