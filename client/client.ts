import { randomUUID } from "node:crypto";
import createOpenApiClient, { type Client as OpenApiClient } from "openapi-fetch";
import type { paths } from "./api.ts";
import { isObject, KeyholdProblem, problemOf } from "./problem.ts";
import { createSender, type Retries } from "./send.ts";

/**
 * The API, typed by its paths: `GET`, `POST`, `PUT`, `PATCH` and `DELETE`, as openapi-fetch has them. Each
 * throws `KeyholdProblem` for an answer that is no success, and what `fetch` throws when there is no answer.
 */
export type Client = Pick<OpenApiClient<paths>, "GET" | "POST" | "PUT" | "PATCH" | "DELETE"> &
  Readonly<{
    /** The audit record of the tenant, line by line in JSON, of any length. */
    exportAudit(): AsyncGenerator<Uint8Array>;
  }>;

/**
 * A client of one caller.
 *
 *     const keyhold = createClient({ baseUrl: "https://keyhold.example.com", token });
 *     const account = await answerOf(keyhold.POST("/api/v1/accounts", { body: { name: "Main" } }));
 *
 * A read is sent again when it may succeed the second time. So is a change, under its Idempotency-Key, which
 * makes the service do it once: each change gets a key of its own unless `params.header["Idempotency-Key"]`
 * names one. Name one yourself for an order, and keep it until you have its answer: then your program can ask
 * again after a crash, too.
 */
export function createClient({
  baseUrl,
  token,
  fetch = globalThis.fetch,
  retries = { reads: 2, changes: 2 },
  timeoutMs = 60_000,
}: Readonly<{
  /** Where the service is, such as `https://keyhold.example.com`. */
  baseUrl: string;
  /** A token or an API key. */
  token: string;
  /** Sends the requests: for proxies, authorities and sockets of your own. */
  fetch?: (request: Request) => Promise<Response>;
  /** Without repeated changes no change gets an Idempotency-Key that was not named. */
  retries?: Retries;
  /** For each attempt. One call of a venue takes at most ten seconds, and a request may need several. */
  timeoutMs?: number;
}>): Client {
  const api = createOpenApiClient<paths>({
    baseUrl: baseUrl.replace(/\/+$/, "").replace(/\/api\/v1$/, ""),
    fetch: createSender(fetch, retries, timeoutMs),
    headers: { authorization: `Bearer ${token}` },
    // A redirect would carry the token to wherever it points.
    redirect: "error",
  });
  api.use({
    onRequest({ request, schemaPath }) {
      const { headers, method } = request;
      const takesKey = method !== "GET" && schemaPath !== revealPath && retries.changes > 0;
      if (takesKey && !headers.has("idempotency-key")) headers.set("idempotency-key", randomUUID());
    },
    async onResponse({ response }) {
      if (!response.ok) throw await problemOf(response);
    },
  });
  const unbounded = createSender(fetch, retries);
  return {
    GET: api.GET,
    POST: api.POST,
    PUT: api.PUT,
    PATCH: api.PATCH,
    DELETE: api.DELETE,
    async *exportAudit() {
      const { data } = await api.GET("/api/v1/audit/export", { parseAs: "stream", fetch: unbounded });
      if (data !== undefined && data !== null) yield* data;
    },
  };
}

/** The service remembers no answer that holds plaintext, so that a reveal is never repeated. */
const revealPath = "/api/v1/credentials/{id}/reveal";

/** The body of an answer. Throws `KeyholdProblem`, also where the body is none that Keyhold gives. */
export async function answerOf<T>(
  sent: Promise<Readonly<{ data?: T; response: Response }>>,
): Promise<T & object> {
  const answer = await sent.catch((error: unknown) => {
    // The parser of JSON met something else.
    if (error instanceof SyntaxError) return null;
    throw error;
  });
  if (answer === null) throw new KeyholdProblem(new Response(), {});
  const { data, response } = answer;
  if (isBody(data)) return data;
  throw new KeyholdProblem(response, {});
}

/** Whether it may be a body of the API: each is an object with members, or bytes. */
function isBody<T>(data: T | undefined): data is T & object {
  return data instanceof ArrayBuffer || (isObject(data) && Object.keys(data).length > 0);
}

/** The place of one thing in a path, and for a change the revision of it that was read last. */
export function at(id: string): { params: { path: { id: string } } };
export function at(
  id: string,
  revision: number,
): { params: { path: { id: string }; header: { "If-Match": string } } };
export function at(id: string, revision?: number) {
  return { params: { path: { id }, ...(revision === undefined ? {} : { header: ifMatch(revision) }) } };
}

/**
 * A change is made to this revision alone: it fails with `stale` if the thing has changed since it was read.
 */
export function ifMatch(revision: number): { "If-Match": string } {
  return { "If-Match": `"${revision}"` };
}

/** One page of a list. */
export type Page<T> = Readonly<{ items: readonly T[]; next_cursor: string | null; count: number }>;

/**
 * All items of a list, of which the pages are read one after the other, as they are needed.
 *
 *     const accounts = all((query) => answerOf(keyhold.GET("/api/v1/accounts", { params: { query } })));
 *     for await (const account of accounts) console.log(account.name);
 */
export async function* all<T>(
  read: (query: { limit: number; cursor?: string }) => Promise<Page<T>>,
): AsyncGenerator<T> {
  let cursor: string | null = null;
  do {
    const page: Page<T> = await read({ limit: largestPage, ...(cursor === null ? {} : { cursor }) });
    yield* page.items;
    cursor = page.next_cursor;
  } while (cursor !== null);
}

const largestPage = 200;
