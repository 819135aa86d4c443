import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hints } from "../../../src/cli/errors.ts";
import { errors } from "../../../src/errors.ts";
import { runCli } from "../../../testkit/cli.ts";

type Seen = Readonly<{ method: string; path: string; headers: IncomingMessage["headers"]; body: string }>;

/** Answers as it is told, and keeps what it was asked. */
let server: Server;
let url: string;
let seen: Seen[] = [];
let answer: (response: ServerResponse) => void = () => undefined;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { method = "", url: path = "", headers } = request;
      seen.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
      answer(response);
    });
  });
  url = await listen(server);
});
afterEach(() => {
  seen = [];
});
afterAll(() => server.close());

async function listen(one: Server): Promise<string> {
  await new Promise<void>((listening) => void one.listen(0, "127.0.0.1", listening));
  const address = one.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}

const keyhold = (argv: readonly string[], environment: Readonly<Record<string, string>> = {}) =>
  runCli(argv, { environment: { KEYHOLD_URL: url, KEYHOLD_TOKEN: "the-token", ...environment } });

function answerJson(status: number, body: unknown, type = "application/json"): void {
  answer = (response) => response.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
}

const accountId = "c5a2f6de-7b1f-4f7e-a6b5-3e0d6b8a4c22";
const credentialId = "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33";
const memberId = "7d4d5a3c-2f0e-4c65-8c7b-90a1c1a3a5b2";
const account = {
  id: "a1",
  name: "Main",
  owner_id: "m1",
  active: true,
  frozen: false,
  freezes: [],
  added_later: [1],
};

describe("what is sent", () => {
  test("carries the token and the body, to the path below the service's own", async () => {
    answerJson(201, account);
    await keyhold(["account", "create", "Main", "--owner", memberId], { KEYHOLD_URL: `${url}/` });
    expect(seen).toMatchObject([
      { method: "POST", path: "/api/v1/accounts", headers: { authorization: "Bearer the-token" } },
    ]);
    expect(JSON.parse(seen[0]?.body ?? "")).toEqual({ name: "Main", owner_id: memberId });
  });

  test("has filters escaped and those left out that are not given", async () => {
    answerJson(200, { items: [], next_cursor: null, count: 0 });
    await keyhold(["credential", "list", "--label", "a&b=c", "--limit", "7"]);
    expect(seen[0]?.path).toBe("/api/v1/credentials?label=a%26b%3Dc&limit=7");
  });

  test("cannot leave its path by an id: what is no id is looked up as a name", async () => {
    answerJson(200, { items: [account], next_cursor: null, count: 1 });
    expect(await keyhold(["account", "show", "../tenants?x"])).toMatchObject({ code: 2, output: "" });
    expect(seen.map(({ path }) => path)).toEqual(["/api/v1/accounts?limit=200"]);
  });

  test("is nothing without a token", async () => {
    const ran = await runCli(["account", "list"], { environment: { KEYHOLD_URL: url } });
    expect(ran).toEqual({
      code: 2,
      output: "",
      notes: `keyhold: KEYHOLD_TOKEN is not set\nhint: ${hints.unauthenticated}\n`,
    });
    expect(seen).toEqual([]);
  });

  test("does not go in the clear to another machine", async () => {
    const ran = await keyhold(["account", "list"], { KEYHOLD_URL: "http://keyhold.example.com" });
    expect(ran).toMatchObject({
      code: 2,
      notes: expect.stringMatching(/^keyhold: KEYHOLD_URL must be the https URL/),
    });
  });

  test("does not follow a redirect with the token", async () => {
    answer = (response) => response.writeHead(307, { location: `${url}/elsewhere` }).end();
    expect(await keyhold(["account", "list"])).toMatchObject({ code: 3, output: "" });
    expect(seen.map(({ path }) => path)).toEqual(["/api/v1/accounts"]);
    // The control: a client that follows redirects does arrive there.
    await fetch(`${url}/api/v1/accounts`).catch(() => undefined);
    expect(seen.map(({ path }) => path)).toContain("/elsewhere");
  });
});

describe("what comes back", () => {
  test("is a table for people, with a word on how to go on", async () => {
    answerJson(200, { items: [account], next_cursor: "c.1", count: 1 });
    expect(await keyhold(["account", "list"])).toEqual({
      code: 0,
      output: "ID  NAME  ACTIVE  FROZEN  OWNER\na1  Main  yes     no      m1\n",
      notes: "more: add --cursor c.1\n",
    });
  });

  test("is the whole answer for programs, with what this version does not know", async () => {
    const page = { items: [account], next_cursor: null, count: 1 };
    answerJson(200, page);
    const { code, output } = await keyhold(["account", "list", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(output)).toEqual(page);
  });

  test("is `none` where there is nothing", async () => {
    answerJson(200, { items: [], next_cursor: null, count: 0 });
    expect(await keyhold(["account", "list"])).toMatchObject({ code: 0, output: "none\n" });
  });

  test("cannot steer the terminal, neither as a table nor as JSON", async () => {
    const name = "\u001b[2Jx\u009b1m";
    answerJson(200, { ...account, name });
    const shown = await keyhold(["account", "show", accountId]);
    const printed = await keyhold(["account", "show", accountId, "--json"]);
    for (const { output } of [shown, printed]) {
      expect(output).not.toContain("\u001b");
      expect(output).not.toContain("\u009b");
    }
    expect(JSON.parse(printed.output)).toMatchObject({ name });
  });
});

describe("a refusal", () => {
  const problem = (code: keyof typeof errors, detail: string) => ({
    type: `/problems/${code}`,
    ...errors[code],
    code,
    detail,
    instance: "urn:uuid:0d3ff7c4-4b7a-4d8e-9a55-2f1f6f0f3c11",
  });

  test("is told in words: what it is, what the service says of it, and what to do", async () => {
    answerJson(422, problem("withdraw_refused", "The key may withdraw."), "application/problem+json");
    expect(await keyhold(["account", "list"])).toEqual({
      code: 1,
      output: "",
      notes: [
        "keyhold: credentials that can withdraw are refused (withdraw_refused)",
        "  The key may withdraw.",
        `hint: ${hints.withdraw_refused}`,
        "",
      ].join("\n"),
    });
  });

  test.for([
    ["forbidden", 1],
    ["not_found", 1],
    ["rate_limited", 3],
    ["record_unavailable", 3],
    ["internal", 3],
  ] as const)("%s exits with %i", async ([code, exit]) => {
    answerJson(errors[code].status, problem(code, "So it is."), "application/problem+json");
    expect(await keyhold(["account", "list"])).toMatchObject({ code: exit });
  });

  test("that is the service's fault names the request", async () => {
    answerJson(500, problem("internal", "It failed."), "application/problem+json");
    const { notes } = await keyhold(["account", "list"]);
    expect(notes).toContain("It failed. urn:uuid:0d3ff7c4-4b7a-4d8e-9a55-2f1f6f0f3c11");
  });

  test("of a newer service is told without a hint", async () => {
    answerJson(
      409,
      { code: "new_code", title: "Something new", detail: "So it is." },
      "application/problem+json",
    );
    expect(await keyhold(["account", "list"])).toMatchObject({
      code: 1,
      notes: "keyhold: something new (new_code)\n  So it is.\n",
    });
  });
});

describe("a read that fails on the way", () => {
  /** Fails as often as it is told, then answers. */
  function failing(times: number, fail: (response: ServerResponse) => void): void {
    let left = times;
    answer = (response) => {
      left -= 1;
      if (left >= 0) return fail(response);
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(page));
    };
  }
  const page = { items: [], next_cursor: null, count: 0 };
  const ways = [
    ["its connection breaks", (response: ServerResponse) => void response.destroy()],
    ["a gateway answers 502", (response: ServerResponse) => void response.writeHead(502).end("bad gateway")],
  ] as const;

  test.each(ways)("is sent once more when %s", async (_, fail) => {
    failing(1, fail);
    expect((await keyhold(["account", "list"])).code).toBe(0);
    expect(seen).toHaveLength(2);
    seen = [];
    failing(9, fail);
    expect((await keyhold(["account", "list"])).code).not.toBe(0);
    expect(seen).toHaveLength(2);
  });

  test.each(ways)("is no write: that is sent once when %s", async (_, fail) => {
    failing(1, fail);
    expect((await keyhold(["account", "create", "Main"])).code).not.toBe(0);
    expect(seen).toHaveLength(1);
  });

  test("is not sent again when it was refused", async () => {
    answer = (response) =>
      void response.writeHead(404, { "content-type": "application/problem+json" }).end("{}");
    await keyhold(["account", "list"]);
    expect(seen).toHaveLength(1);
  });
});

describe("an answer that is not of Keyhold", () => {
  test.for([
    [502, 3],
    [404, 1],
  ] as const)("with status %i is told as such", async ([status, exit]) => {
    answer = (response) => response.writeHead(status, { "content-type": "text/html" }).end("<h1>Nginx</h1>");
    const { code, notes } = await keyhold(["account", "list"]);
    expect(code).toBe(exit);
    expect(notes).toBe(
      `keyhold: ${url} answered ${status}, and not as Keyhold does\nhint: ${hints.unsupported_media_type}\n`,
    );
  });

  test.for([["{}"], ["[]"], ["<h1>Welcome</h1>"], [""]])(
    "with status 200 and the body %s is not believed",
    async ([body]) => {
      answer = (response) => response.writeHead(200, { "content-type": "application/json" }).end(body);
      expect(await keyhold(["account", "list"])).toMatchObject({
        code: 3,
        output: "",
        notes: expect.stringContaining("does not understand"),
      });
    },
  );
});

describe("a service that is not there", () => {
  test("is told with the way to start one", async () => {
    const { code, notes } = await keyhold(["account", "list"], { KEYHOLD_URL: "http://127.0.0.1:9" });
    expect(code).toBe(3);
    expect(notes).toMatch(/^keyhold: http:\/\/127\.0\.0\.1:9 cannot be reached\nhint: `keyhold serve`/);
  });

  test("is named with the reason", async () => {
    const closed = createServer();
    const gone = await listen(closed);
    closed.close();
    const notesOf = async (service: string) =>
      (await keyhold(["account", "list"], { KEYHOLD_URL: service })).notes;
    expect(await notesOf(gone)).toContain("cannot be reached: no program listens there");
    expect(await notesOf("https://keyhold.invalid")).toContain("cannot be reached: the host is not known");
    expect(await notesOf(url.replace("http:", "https:"))).toContain("cannot be reached: it speaks no TLS");
  });

  test("is found where its address was copied with the path of the API", async () => {
    answer = (response) =>
      response
        .writeHead(200, { "content-type": "application/json" })
        .end('{"items":[],"next_cursor":null,"count":0}');
    await keyhold(["account", "list"], { KEYHOLD_URL: `${url}/api/v1/` });
    expect(seen.at(-1)?.path).toBe("/api/v1/accounts");
  });

  test("leaves the outcome of an order open", async () => {
    answer = (response) => response.destroy();
    const order = ["invoke", credentialId, "createOrder", "--param", "symbol=BTC/USDT"];
    expect(await keyhold([...order, "--idempotency-key", "k1"])).toMatchObject({
      code: 4,
      notes: expect.stringContaining("repeat the command with the same --idempotency-key"),
    });
    expect(seen.at(-1)?.headers).toMatchObject({ "idempotency-key": "k1" });
    expect(await keyhold(order)).toMatchObject({ code: 3 });
  });
});

describe("the parameters of an operation", () => {
  const invoke = (...argv: string[]) => keyhold(["invoke", credentialId, "createOrder", ...argv]);
  const sentParams = (): unknown => JSON.parse(seen.at(-1)?.body ?? "").params;

  test("are text, or JSON after a colon", async () => {
    answerJson(200, {
      outcome: "done",
      operation: "createOrder",
      result: { id: 7 },
      message: null,
      client_order_id: null,
    });
    const { code, output } = await invoke(
      "--param",
      "symbol=BTC/USDT",
      "--param",
      "amount=0.10",
      "--param",
      "limit:=5",
      "--param",
      "note=a=b",
    );
    expect(code).toBe(0);
    expect(JSON.parse(output)).toEqual({ id: 7 });
    expect(sentParams()).toEqual({ symbol: "BTC/USDT", amount: "0.10", limit: 5, note: "a=b" });
  });

  test("are read whole from standard input, and one by one over it", async () => {
    const environment = { KEYHOLD_URL: url, KEYHOLD_TOKEN: "t" };
    const argv = ["invoke", credentialId, "createOrder", "--json-params", "-", "--param", "side=sell"];
    await runCli(argv, { environment, input: '{"side":"buy","postOnly":true}' });
    expect(sentParams()).toEqual({ side: "sell", postOnly: true });
  });

  test.for([
    ["no sign", ["--param", "symbol"]],
    ["broken JSON", ["--param", "limit:=5,"]],
    ["a file that is not there", ["--json-params", "/nowhere/params.json"]],
  ] as const)("are refused with %s before anything is sent", async ([, argv]) => {
    expect(await invoke(...argv)).toMatchObject({ code: 2, output: "" });
    expect(seen).toEqual([]);
  });

  test("say when the outcome is not known", async () => {
    answerJson(200, {
      outcome: "outcome_unknown",
      operation: "createOrder",
      result: null,
      message: "The answer was lost.",
      client_order_id: "x",
    });
    expect(await invoke("--idempotency-key", "k1")).toMatchObject({
      code: 4,
      notes: expect.stringContaining("  The answer was lost.\n"),
    });
  });
});
