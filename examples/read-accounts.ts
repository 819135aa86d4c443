import { z } from "zod";

/** Prints the account behind each credential that the token reaches. KEYHOLD_TOKEN=… node examples/read-accounts.ts */
const { KEYHOLD_URL: url = "http://127.0.0.1:7070", KEYHOLD_TOKEN: token = "" } = process.env;

const credentials = z.object({
  items: z.array(z.object({ id: z.string(), venue: z.string(), environment: z.string() })),
});
const invoked = z.object({ outcome: z.string(), message: z.string().nullable(), result: z.unknown() });

async function call(method: string, path: string, body?: object): Promise<unknown> {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const content = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${url}/api/v1${path}`, { method, headers, ...content });
  const answer = await response.json();
  // A problem (RFC 9457) says in `detail` what to do.
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer;
}

for (const { id, venue, environment } of credentials.parse(await call("GET", "/credentials")).items) {
  const answer = await call("POST", `/credentials/${id}/invoke`, { operation: "account" });
  const { outcome, message, result } = invoked.parse(answer);
  process.stdout.write(`${venue} ${environment} ${outcome} ${message ?? JSON.stringify(result)}\n`);
}
