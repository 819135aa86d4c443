import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { all, answerOf, at, type Client, createClient, KeyholdProblem } from "../../../client/index.ts";

type Seen = Readonly<{ method: string; path: string; headers: IncomingMessage["headers"]; body: string }>;
type Answer = (response: ServerResponse) => void;

/** A service that gives these answers one after the other, and the last of them from then on. */
let server: Server;
let url: string;
let keyhold: Client;
let seen: Seen[];
let answers: Answer[];

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      seen.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      answer?.(response);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
});
beforeEach(() => {
  seen = [];
  keyhold = createClient({ baseUrl: url, token: "the-token" });
});
afterAll(() => server.close());

const json =
  (status: number, body: object, headers: Readonly<Record<string, string>> = {}): Answer =>
  (response) =>
    void response
      .writeHead(status, { "content-type": "application/json", ...headers })
      .end(JSON.stringify(body));
const answerText =
  (status: number, body: string): Answer =>
  (response) =>
    void response.writeHead(status, { "content-type": "application/json" }).end(body);
const broken: Answer = (response) => void response.destroy();
const problem = (status: number, code: string, headers: Readonly<Record<string, string>> = {}): Answer =>
  json(
    status,
    { code, title: "It is so", detail: "Do that.", instance: "urn:uuid:1", errors: ["body.name: Too long"] },
    headers,
  );

const account = { id: "a1", name: "Main", added_later: 1 };
const create = () => answerOf(keyhold.POST("/api/v1/accounts", { body: { name: "Main" } }));
const show = () => answerOf(keyhold.GET("/api/v1/accounts/{id}", at("a1")));
const keysSent = () => seen.map(({ headers }) => headers["idempotency-key"]);

async function thrownBy(sent: Promise<unknown>): Promise<KeyholdProblem> {
  const error: unknown = await sent.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof KeyholdProblem) return error;
  throw new Error(`no problem was thrown: ${String(error)}`);
}

describe("a request", () => {
  test("carries the token and the body, and gives the whole answer", async () => {
    answers = [json(201, account)];
    expect(await create()).toEqual(account);
    expect(seen).toMatchObject([
      { method: "POST", path: "/api/v1/accounts", headers: { authorization: "Bearer the-token" } },
    ]);
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ name: "Main" });
  });

  test("finds the service where its address has the path of the API", async () => {
    answers = [json(200, account)];
    keyhold = createClient({ baseUrl: `${url}/api/v1/`, token: "t" });
    await show();
    expect(seen[0]?.path).toBe("/api/v1/accounts/a1");
  });

  test("does not leave its path by an id, and does not follow a redirect with the token", async () => {
    answers = [json(200, account), (response) => response.writeHead(307, { location: `${url}/x` }).end()];
    await answerOf(keyhold.GET("/api/v1/accounts/{id}", at("../tenants?x")));
    await expect(show()).rejects.toThrow();
    expect(seen.map(({ path }) => path)).toEqual([
      "/api/v1/accounts/..%2Ftenants%3Fx",
      "/api/v1/accounts/a1",
    ]);
  });

  test("for a change names the revision that was read", async () => {
    answers = [json(200, account)];
    await answerOf(keyhold.PATCH("/api/v1/accounts/{id}", { ...at("a1", 7), body: { name: "B" } }));
    expect(seen[0]?.headers["if-match"]).toBe('"7"');
  });

  test("goes through the given fetch", async () => {
    const asked: string[] = [];
    const send = async (request: Request): Promise<Response> => {
      asked.push(request.url);
      return Response.json(account);
    };
    keyhold = createClient({ baseUrl: "https://keyhold.example.com", token: "t", fetch: send });
    expect(await show()).toEqual(account);
    expect(asked).toEqual(["https://keyhold.example.com/api/v1/accounts/a1"]);
  });
});

describe("an Idempotency-Key", () => {
  test("is a new one for each change, the same for each attempt at it, and none for a read", async () => {
    answers = [broken, json(201, account), json(201, account), json(200, account)];
    await create();
    await create();
    await show();
    const [first, again, other, read] = keysSent();
    expect(first).toMatch(/^[\da-f-]{36}$/);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(read).toBeUndefined();
  });

  test("that is given is the one that is sent", async () => {
    answers = [json(201, account)];
    const params = { header: { "Idempotency-Key": "mine" } };
    await answerOf(keyhold.POST("/api/v1/accounts", { params, body: { name: "Main" } }));
    expect(keysSent()).toEqual(["mine"]);
  });

  test("is not sent with a reveal, which is sent once", async () => {
    answers = [broken];
    const reveal = { ...at("c1"), body: { reason: "r" }, parseAs: "arrayBuffer" } as const;
    await expect(keyhold.POST("/api/v1/credentials/{id}/reveal", reveal)).rejects.toThrow();
    expect(keysSent()).toEqual([undefined]);
  });

  test("is not made where no change is sent again", async () => {
    keyhold = createClient({ baseUrl: url, token: "t", retries: { reads: 1, changes: 0 } });
    answers = [broken];
    await expect(create()).rejects.toThrow();
    expect(keysSent()).toEqual([undefined]);
  });
});

describe("a request is sent again", () => {
  test.for([
    ["the connection breaks", broken],
    ["a gateway answers 502", answerText(502, "bad gateway")],
    ["the service asks to wait a moment", problem(429, "rate_limited", { "retry-after": "0" })],
  ] as const)("twice when %s, and no more often", async ([, fail]) => {
    answers = [fail, fail, json(200, account)];
    expect(await show()).toEqual(account);
    expect(seen).toHaveLength(3);
    seen = [];
    answers = [fail];
    await expect(show()).rejects.toThrow();
    expect(seen).toHaveLength(3);
  });

  test("when the first attempt at a change is still at work", async () => {
    answers = [broken, problem(409, "idempotency_in_flight"), json(201, account)];
    expect(await create()).toEqual(account);
    expect(new Set(keysSent()).size).toBe(1);
  });

  test.for([
    ["it was refused", problem(404, "not_found")],
    ["the wait would be long", problem(429, "rate_limited", { "retry-after": "60" })],
    ["another change is at work", problem(409, "idempotency_in_flight")],
  ] as const)("never when %s", async ([, fail]) => {
    answers = [fail];
    await expect(create()).rejects.toThrow(KeyholdProblem);
    expect(seen).toHaveLength(1);
  });

  test("never after its time is over, of which each attempt has its own", async () => {
    keyhold = createClient({ baseUrl: url, token: "t", timeoutMs: 200 });
    answers = [() => undefined];
    await expect(show()).rejects.toMatchObject({ name: "TimeoutError" });
    expect(seen).toHaveLength(1);
  });
});

describe("a problem", () => {
  test("has the members of its document", async () => {
    answers = [problem(429, "rate_limited", { "retry-after": "60" })];
    expect(await thrownBy(show())).toMatchObject({
      status: 429,
      code: "rate_limited",
      title: "It is so",
      detail: "Do that.",
      requestId: "urn:uuid:1",
      errors: ["body.name: Too long"],
      retryAfter: 60,
      isTemporary: true,
      message: "It is so (rate_limited): Do that.",
    });
  });

  test.for([
    [404, "not_found", false],
    [422, "venue_rejected", false],
    [409, "idempotency_in_flight", true],
  ] as const)("with status %i and the code %s passes by itself: %s", async ([status, code, isTemporary]) => {
    answers = [problem(status, code)];
    expect(await thrownBy(show())).toMatchObject({ code, isTemporary });
  });

  test.for([
    [404, "<h1>Nginx</h1>"],
    [200, "<h1>Welcome</h1>"],
    [200, "{}"],
    [200, "[1]"],
    [200, ""],
  ] as const)("without a code is what is none of Keyhold's: %i %s", async ([status, body]) => {
    answers = [answerText(status, body)];
    expect(await thrownBy(show())).toMatchObject({ status, code: null, requestId: null });
  });
});

describe("a list", () => {
  test("is read page by page, as it is needed", async () => {
    const page = (name: string, next_cursor: string | null): Answer =>
      json(200, { items: [{ ...account, name }], next_cursor, count: 1 });
    answers = [page("A", "c.1"), page("B", null)];
    const accounts = all((query) => answerOf(keyhold.GET("/api/v1/accounts", { params: { query } })));
    expect((await accounts.next()).value).toMatchObject({ name: "A" });
    expect(seen).toHaveLength(1);
    expect((await Array.fromAsync(accounts)).map(({ name }) => name)).toEqual(["B"]);
    expect(seen.map(({ path }) => path)).toEqual([
      "/api/v1/accounts?limit=200",
      "/api/v1/accounts?limit=200&cursor=c.1",
    ]);
  });
});

describe("the export of the record", () => {
  test("arrives piece by piece, also over a longer time than an answer has", async () => {
    keyhold = createClient({ baseUrl: url, token: "t", timeoutMs: 50 });
    answers = [
      (response) => {
        response.writeHead(200, { "content-type": "application/x-ndjson" }).write('{"seq":1}\n');
        setTimeout(() => response.end('{"seq":2}\n'), 200);
      },
    ];
    const chunks = await Array.fromAsync(keyhold.exportAudit());
    expect(Buffer.concat(chunks).toString()).toBe('{"seq":1}\n{"seq":2}\n');
  });

  test("that is refused is a problem", async () => {
    answers = [problem(403, "forbidden")];
    expect(await thrownBy(Array.fromAsync(keyhold.exportAudit()))).toMatchObject({ code: "forbidden" });
  });
});
