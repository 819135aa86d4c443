import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../../src/cli/program.ts";
import { collect, runCli } from "../../../testkit/cli.ts";
import { runsWith } from "../../../testkit/command.ts";

const root = join(import.meta.dirname, "..", "..", "..");
const account = "c5a2f6de-7b1f-4f7e-a6b5-3e0d6b8a4c22";
const credentialId = "9b6f2a52-0f0e-4d7e-8a61-1a9c1f7d2e33";
const webhookId = "3f8a0f6e-21a5-4b0c-9d52-6c0f4f1b7a10";
const keyId = "6a1d9c4e-5b7f-4e2a-8c3d-0f9e8d7c6b5a";
const venue = { id: "okx", name: "OKX", environments: ["live"], operations: [], egress_addresses: [] };
const fields = ["api_key", "api_secret", "passphrase"];
const typed = ["tYpEd-key", "tYpEd-secret", "tYpEd-passphrase"];

/** What there is to be destroyed, and to be named before. */
const shown: Readonly<Record<string, object>> = {
  credentials: {
    id: credentialId,
    account_id: "a1",
    venue: "okx",
    environment: "live",
    label: "spot",
    status: "active",
    frozen: false,
    permissions: null,
    policy: { allow: [], reveal: true },
    health: "healthy",
    health_message: null,
    expires_at: null,
    last_validated_at: null,
    revision: 1,
  },
  accounts: { id: "a1", name: "Desk 7", owner_id: "m1", active: true, frozen: false },
  webhooks: {
    id: webhookId,
    url: "https://hooks.example.com/keyhold",
    description: "",
    status: "active",
    disabled_reason: null,
    events: [],
    failing_since: null,
    previous_secret_until: null,
    revision: 1,
  },
};

/** A service that knows one venue and keeps what it is sent. */
let server: Server;
let environment: Record<string, string>;
let received: { path: string; body: string }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (part: string) => (body += part));
    request.on("end", () => {
      const { url: path = "" } = request;
      response.setHeader("content-type", "application/json");
      if (path.endsWith("/venues")) {
        response.end(JSON.stringify({ items: [{ ...venue, fields }], next_cursor: null, count: 1 }));
        return;
      }
      if (request.method === "GET") {
        response.end(JSON.stringify(shown[path.split("/").at(-2) ?? ""] ?? {}));
        return;
      }
      received.push({ path, body });
      response.end(path.endsWith("/reveal") ? '{"secret":{"api_key":"x"}}' : '{"is":"no credential"}');
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  environment = { KEYHOLD_URL: `http://127.0.0.1:${port}`, KEYHOLD_TOKEN: "t" };
});
afterEach(() => {
  received = [];
});
afterAll(() => server.close());

const register = ["credential", "register", "okx", "--account", account];

/** A person at a terminal: types each answer when its question is there. */
async function converse(
  argv: readonly string[],
  answers: readonly (readonly [question: string, keys: string])[],
) {
  const raw: boolean[] = [];
  let isRaw = false;
  const input = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (on: boolean) => void (isRaw = on),
  });
  const notes = collect();
  const output = collect();
  const screen = Object.assign(notes.stream, { isTTY: true, columns: 100, rows: 24 });
  const ended = run(argv, { input, output: output.stream, notes: screen }, environment);
  for (const [question, keys] of answers) {
    await expect.poll(() => notes.text().split(question).length, { timeout: 5000 }).toBeGreaterThan(1);
    raw.push(isRaw);
    // A terminal delivers a paste in parts of any length.
    for (const [part] of keys.matchAll(/.{1,7}/gsu)) input.write(part);
  }
  const code = await ended;
  return { code, output: output.text(), notes: notes.text(), raw: [...raw, isRaw], unread: input.read() };
}

const sentSecret = (): unknown => JSON.parse(received.at(-1)?.body ?? "{}").secret;

describe("the hidden prompt", () => {
  test("asks for each field of the venue, and shows nothing of what is typed", async () => {
    const { notes, output, raw } = await converse(
      register,
      fields.map((field, at) => [field, `${typed[at]}\r`]),
    );
    expect(sentSecret()).toEqual({ api_key: typed[0], api_secret: typed[1], passphrase: typed[2] });
    for (const secret of typed) expect(notes + output).not.toContain(secret);
    // Neither does the terminal itself echo: it was in raw mode at each question, and is not any more.
    expect(raw).toEqual([true, true, true, false]);
  });

  const pem = "-----BEGIN KEY-----\nAA\nBB==\n-----END KEY-----";
  const parameters = "-----BEGIN EC PARAMETERS-----\nCC==\n-----END EC PARAMETERS-----";
  test.for([
    ["in one line, as it is", `${pem.replaceAll("\n", "\\n")}\r`, pem.replaceAll("\n", "\\n")],
    ["line by line", `${pem}\n`.replaceAll("\n", "\r"), pem],
    ["with Windows line breaks", `${pem}\n`.replaceAll("\n", "\r\n"), pem],
    ["behind the parameters of its curve", `${parameters}\n${pem}\r`, `${parameters}\n${pem}`],
    ["as a terminal marks a paste", `\u001B[200~${pem}\r\n\u001B[201~\r`, pem],
    [
      "as a paste whose breaks are those of a Mac",
      `\u001B[200~${pem.replaceAll("\n", "\r")}\u001B[201~\r`,
      pem,
    ],
  ] as const)("takes a PEM %s", async ([, keys, api_secret]) => {
    const { notes } = await converse(register, [
      ["api_key", "k\r"],
      ["api_secret", keys],
      ["passphrase", "p\r"],
    ]);
    expect(sentSecret()).toEqual({ api_key: "k", api_secret, passphrase: "p" });
    expect(notes).toContain(`api_secret (hidden): ${api_secret.length} characters\n`);
    expect(notes).not.toContain("BB==");
  });

  test("takes back what is erased, and knows keys that type nothing", async () => {
    await converse(register, [
      ["api_key", "abc\u0015k\u001B[A\u001BOP\u007Fkey\r"],
      ["api_secret", "\rs\r"],
      ["passphrase", "p ä\r"],
    ]);
    expect(sentSecret()).toEqual({ api_key: "key", api_secret: "s", passphrase: "p ä" });
  });

  test("does not take two values that are pasted at once for one", async () => {
    const { notes } = await converse(register, [
      ["api_key", `\u001B[200~${typed[0]}\n${typed[1]}\u001B[201~k\r`],
      ["api_secret", `\u001B[200~s\n\u001B[201~\r`],
      ["passphrase", "p\r"],
    ]);
    expect(notes).toContain("2 lines were pasted, and one value is wanted");
    expect(sentSecret()).toEqual({ api_key: "k", api_secret: "s", passphrase: "p" });
  });

  test("reads to its end what comes after the last answer, and gives it to nobody", async () => {
    const { unread } = await converse(register, [
      ["api_key", "k\r"],
      ["api_secret", "s\r"],
      ["passphrase", "p\rand more\rof it\r"],
    ]);
    expect(sentSecret()).toEqual({ api_key: "k", api_secret: "s", passphrase: "p" });
    expect(unread).toBeNull();
  });

  test("is left with Ctrl-C, and nothing is sent", async () => {
    const { code, notes } = await converse(register, [["api_key", "\u0003"]]);
    expect(code).toBe(130);
    expect(notes).toContain("keyhold: given up, nothing was sent\n");
    expect(received).toEqual([]);
  });
});

const named = 'okx live "spot" of account "Desk 7"';

describe("before plaintext is printed", () => {
  const reveal = ["credential", "reveal", credentialId, "--reason", "r"];
  const question = `Reveal the secret of ${named}?`;

  test("a person is asked, and yes means yes", async () => {
    expect(await converse(reveal, [[question, "y"]])).toMatchObject({
      code: 0,
      output: '{"secret":{"api_key":"x"}}\n',
    });
    expect(received).toEqual([
      { path: `/api/v1/credentials/${credentialId}/reveal`, body: '{"reason":"r"}' },
    ]);
  });

  test.for([
    ["no", "n"],
    ["nothing", "\r"],
    ["Ctrl-C", "\u0003"],
  ] as const)("%s means no", async ([, keys]) => {
    expect(await converse(reveal, [[question, keys]])).toMatchObject({ code: 130, output: "" });
    expect(received).toEqual([]);
  });

  test("nobody is asked who says --yes", async () => {
    expect(await converse([...reveal, "--yes"], [])).toMatchObject({ code: 0 });
  });
});

describe("before something is destroyed", () => {
  const destructive = [
    [["credential", "revoke", credentialId], `Destroy the secret of ${named} for good?`],
    [["credential", "delete", credentialId], `Destroy the secret of ${named} and remove the credential?`],
    [
      ["credential", "roll-back", credentialId],
      `Destroy the new secret of ${named} and put the old one back?`,
    ],
    [["credential", "finish-rotation", credentialId], `Destroy the old secret of ${named} now?`],
    [["api-key", "revoke", keyId], `End the API key ${keyId} for good?`],
    [["webhook", "delete", webhookId], "Remove the webhook to https://hooks.example.com/keyhold"],
  ] as const;

  test.for(destructive)("a person is asked by name: %s", async ([argv, question]) => {
    expect(await converse(argv, [[question, "n"]])).toMatchObject({ code: 130 });
    expect(received).toEqual([]);
    await converse(argv, [[question, "y"]]);
    expect(received).toHaveLength(1);
  });

  test.for(destructive)(
    "nobody is asked without a terminal, and it must be meant: %s",
    async ([argv, question]) => {
      const { code, notes } = await runCli(argv, { environment });
      expect(code).toBe(2);
      expect(notes).toMatch(/^keyhold: there is no terminal to ask at.*\n.*\nhint: add --yes/);
      expect(notes).toContain(question);
      expect(received).toEqual([]);
      await runCli([...argv, "--yes"], { environment });
      expect(received).toHaveLength(1);
    },
  );
});

describe("an update", () => {
  const credential = ["credential", "update", credentialId];
  const webhook = ["webhook", "update", webhookId];
  test.for([
    ["nothing", credential, []],
    ["nothing of a webhook", webhook, []],
    ["on and off", credential, ["--activate", "--deactivate"]],
    ["off and on", credential, ["--label", "x", "--deactivate", "--activate"]],
    ["two policies", credential, ["--reveal", "--no-reveal"]],
    ["a webhook on and off", webhook, ["--disable", "--enable"]],
    ["all events and one of them", webhook, ["--event", "all,credential.revoked"]],
    ["no events", webhook, ["--event", ","]],
  ] as const)("that says %s is not sent", async ([, argv, options]) => {
    const { code, notes } = await runCli([...argv, ...options], { environment });
    expect([code, notes]).toEqual([
      2,
      expect.stringMatching(/no option says|contradict each other|--event takes/),
    ]);
    expect(received).toEqual([]);
  });

  test.for([
    [credential, ["--no-reveal"], { policy: { reveal: false } }],
    [credential, ["--deactivate"], { active: false }],
    [webhook, ["--event", "all"], { events: [] }],
  ] as const)("that says one thing is sent", async ([argv, options, body]) => {
    await runCli([...argv, ...options], { environment });
    expect(received.map((sent) => JSON.parse(sent.body))).toEqual([body]);
  });
});

describe.runIf(runsWith("script"))("on a real terminal", () => {
  test("what is typed at the prompt is not on the screen, and arrives", async () => {
    const { screen, code } = await atTerminal([...register], typed);
    expect(sentSecret()).toEqual({ api_key: typed[0], api_secret: typed[1], passphrase: typed[2] });
    expect(screen).toContain("passphrase");
    for (const secret of typed) expect(screen).not.toContain(secret);
    expect(code).toBe(3);
  });

  test("what is pasted at the prompt, and what is left of it, reaches neither the screen nor the shell", async () => {
    const body = ["MHcCAQEE", "cAnArYkEy", "AAAA=="];
    const pem = ["-----BEGIN EC PRIVATE KEY-----", ...body, "-----END EC PRIVATE KEY-----"];
    const command = [process.execPath, join(root, "src", "cli", "keyhold.ts"), ...register].join(" ");
    const shell = openShell();
    await shell.until("ready>");
    shell.type(`${command}\r`);
    await shell.until("api_key (hidden)");
    shell.type("k\r");
    await shell.until("api_secret (hidden)");
    shell.type("s\r");
    await shell.until("passphrase (hidden)");
    for (const line of [...pem, "echo leaked-$((40+2))"]) shell.type(`${line}\r`);
    await shell.until("gave an answer that this version does not understand");
    shell.type("history | tail -4; echo over-$((1+1))\r");
    await shell.until("over-2");
    shell.type("exit\r");
    const screen = await shell.closed;
    expect(sentSecret()).toEqual({ api_key: "k", api_secret: "s", passphrase: pem.join("\n") });
    expect(screen).toContain(`passphrase (hidden): ${pem.join("\n").length} characters`);
    for (const text of [...body, "leaked"]) expect(screen).not.toContain(text);
  });

  test("the control: what is typed elsewhere is on the screen", async () => {
    const { screen } = await atTerminal(null, typed);
    expect(screen).toContain(typed[0]);
  });
});

/** A shell at a pseudo-terminal, in which a person types. */
function openShell() {
  const child = spawn(
    "script",
    ["-qec", "stty cols 200 rows 50; exec bash --norc --noprofile -i", "/dev/null"],
    {
      env: {
        PATH: process.env["PATH"],
        TERM: "xterm",
        PS1: "ready> ",
        HISTFILE: "/dev/null",
        ...environment,
      },
    },
  );
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (screen += text));
  return {
    type: (keys: string) => child.stdin.write(keys),
    until: (text: string) => expect.poll(() => screen, { timeout: 20_000 }).toContain(text),
    closed: once(child, "close").then(() => screen),
  };
}

/** Runs `keyhold`, or `cat`, at a pseudo-terminal and types a line for each field when it is asked for. */
async function atTerminal(argv: readonly string[] | null, lines: readonly string[]) {
  const keyhold = [process.execPath, join(root, "src", "cli", "keyhold.ts"), ...(argv ?? [])].join(" ");
  const command = argv === null ? "echo api_key; cat" : keyhold;
  const child = spawn("script", ["-qec", `stty cols 100 rows 24; ${command}`, "/dev/null"], {
    env: { PATH: process.env["PATH"], TERM: "xterm", ...environment },
  });
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (screen += text));
  for (const [at, line] of lines.entries()) {
    const question = argv === null ? "api_key" : (fields[at] ?? "");
    await expect.poll(() => screen, { timeout: 10_000 }).toContain(question);
    child.stdin.write(`${line}\r`);
  }
  if (argv === null) child.stdin.write("\u0004");
  const [code]: unknown[] = await once(child, "close");
  return { screen, code };
}
