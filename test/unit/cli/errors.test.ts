import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { hints } from "../../../src/cli/errors.ts";
import { runCli } from "../../../testkit/cli.ts";

/** Answers as it is set to, and keeps the paths that it was asked for. */
let server: Server;
let url: string;
let seen: string[] = [];
let answer: (response: ServerResponse) => void = () => undefined;

beforeAll(async () => {
  server = createServer((request, response) => {
    request.resume().on("end", () => {
      seen.push(request.url ?? "");
      answer(response);
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
});
afterEach(() => {
  seen = [];
});
afterAll(() => server.close());

const keyhold = (argv: readonly string[]) =>
  runCli(argv, { environment: { KEYHOLD_URL: url, KEYHOLD_TOKEN: "the-token" } });

function answerJson(status: number, body: unknown, type = "application/json"): void {
  answer = (response) => response.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
}

const credentialId = "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33";
const account = { id: "a1", owner_id: "m1", active: true, frozen: false, freezes: [] };

describe("a failure, for programs", () => {
  const asJson = async (...argv: string[]) => {
    const { code, output, notes } = await keyhold([...argv, "--json"]);
    expect(output).toBe("");
    return { code, problem: JSON.parse(notes) };
  };

  test("is the problem of the service, with what to do and the exit code", async () => {
    const sent = {
      type: "/problems/stale",
      title: "It has changed since",
      status: 412,
      code: "stale",
      detail: "body.label: Too long",
    };
    answerJson(412, sent, "application/problem+json");
    const { code, problem } = await asJson("account", "list");
    expect(code).toBe(1);
    expect(problem).toEqual({ ...sent, detail: "--label: Too long", hint: hints.stale, exit_code: 1 });
  });

  test.for([
    ["a command line", ["account", "shwo"], "unknown command 'shwo'"],
    ["an option", ["account", "list", "--limit", "500"], "Give a whole number, 1 to 200."],
    ["an argument that is missing", ["account", "show"], "missing required argument"],
    ["a secret as an option", ["credential", "register", "okx", "--api-key", "x"], "secrets are not taken"],
  ] as const)("is such a document for %s, too", async ([, argv, title]) => {
    const { code, problem } = await asJson(...argv);
    expect(code).toBe(2);
    expect(problem).toMatchObject({ title: expect.stringContaining(title), code: "usage", exit_code: 2 });
    expect(seen).toEqual([]);
  });
});

describe("a refusal of what was typed", () => {
  test.for([
    ["body.account_id: Invalid UUID", "--account: Invalid UUID"],
    [
      "body.policy.allow.0: Invalid option; query.limit: Too big",
      "--allow: Invalid option; --limit: Too big",
    ],
    ["body.role: Invalid option", "--role: Invalid option"],
    ["body.secret.api_key: Too long", "secret.api_key: Too long"],
    ["params.id: Invalid input", "--param id: Invalid input"],
  ] as const)("names options: %s", async ([detail, shown]) => {
    answerJson(
      400,
      { code: "malformed", title: "The request is malformed", detail },
      "application/problem+json",
    );
    expect((await keyhold(["account", "list"])).notes).toContain(`\n  ${shown}\n`);
  });

  test.for([
    [["credential", "list", "--environment", "prod"], "Give one of live, paper, testnet."],
    [["credential", "list", "--status", "activ"], "Did you mean active?"],
    [["member", "add", "bob", "--role", "traider"], "Did you mean trader?"],
    [
      ["audit", "list", "--event", "credential.reveald"],
      "Did you mean credential.revealed or credential.resealed?",
    ],
    [["account", "list", "--limit", "0"], "Give a whole number, 1 to 200."],
    [["account", "list", "--all", "--limit", "5"], "contradict each other"],
    [["api-key", "create", "x", "--scope", "audit:raed"], "Did you mean audit:read?"],
    [["acount", "list"], "Did you mean account?"],
    [["account", "list", "--limt", "5"], "Did you mean --limit?"],
  ] as const)("is made before anything is sent: %s", async ([argv, message]) => {
    const { code, notes } = await keyhold(argv);
    expect(code).toBe(2);
    expect(notes).toContain(message);
    expect(seen).toEqual([]);
  });

  test("of an operation suggests one that there is", async () => {
    const unknown = { code: "unknown_operation", title: "T", detail: "D", operations: ["fetchBalance"] };
    answerJson(400, unknown, "application/problem+json");
    const { notes } = await keyhold(["invoke", credentialId, "fetchBalanec"]);
    expect(notes).toContain("hint: did you mean fetchBalance?");
  });
});

describe("all of a list", () => {
  test("is read page after page, and shown as one", async () => {
    answer = (response) => {
      const next_cursor = seen.length < 3 ? `c.${seen.length}` : null;
      const page = { items: [{ ...account, name: `Desk ${seen.length}` }], next_cursor, count: 1 };
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(page));
    };
    const { output, notes } = await keyhold(["account", "list", "--all"]);
    expect(output.match(/Desk \d/g)).toEqual(["Desk 1", "Desk 2", "Desk 3"]);
    expect(notes).toBe("");
    expect(seen.at(-1)).toBe("/api/v1/accounts?limit=200&cursor=c.2");
  });
});
