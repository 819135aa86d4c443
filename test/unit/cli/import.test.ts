import { createServer, type IncomingMessage, type Server } from "node:http";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createCli } from "../../../src/cli/cli.ts";
import { CliError } from "../../../src/cli/errors.ts";
import { importAll, type Held, type Item, type Plan } from "../../../src/cli/import/importer.ts";
import { defaultPath, pathTo, placeOf } from "../../../src/cli/import/path.ts";
import { venueNamed } from "../../../src/cli/venues.ts";
import { type ErrorCode, errors } from "../../../src/errors.ts";
import { createVenues } from "../../../src/venues/index.ts";
import { collect, runCli } from "../../../testkit/cli.ts";

/** Stands where plaintext would stand. */
const canary = "cAnArY-7f3a-0123456789";

const venueOf = (id: string, fields: readonly string[], environments: readonly string[] = ["live"]) => ({
  id,
  name: id.toUpperCase(),
  environments: [...environments],
  fields: [...fields],
  provable: true,
  operations: [],
  transfer_accounts: [],
  egress_addresses: [],
});

describe("the venue of an exchange", () => {
  const venues = createVenues();
  const known = venues.list().map(({ id, fields }) => venueOf(id, fields));
  afterAll(() => venues.close());

  test.for([
    ["binance", "binance"],
    ["bitpanda", "onetrading"],
    ["coinbaseadvanced", "coinbase"],
    ["gateio", "gate"],
    ["huobi", "htx"],
    ["okex", "okx"],
    ["polygon", "massive"],
  ] as const)("called %s is %s", ([name, id]) => {
    expect(venueNamed(known, name)?.id).toBe(id);
  });

  test.for(["Binance", "binance ", "coinbasepro", "constructor", ""])("is not guessed from %j", (name) => {
    expect(venueNamed(known, name)).toBeUndefined();
  });
});

describe("the path of a key", () => {
  test.for([
    [defaultPath, "binance", "secret/tenants/acme/exchanges/binance/credentials"],
    ["kv/prod/{tenant}/{exchange}", "gate.io", "kv/prod/acme/gate.io"],
    ["kv/{exchange}/keys/{tenant}", "okx", "kv/okx/keys/acme"],
    ["kv/keys/{exchange}", "okx", "kv/keys/okx"],
  ] as const)("is %s filled in", ([template, exchange, path]) => {
    expect(pathTo(placeOf(template, "acme"), exchange)).toBe(path);
  });

  test.for([
    "",
    "{exchange}",
    "secret/{tenant}",
    "secret/{exchange}/{exchange}",
    "secret/{tenant}/{tenant}/{exchange}",
    "/secret/{exchange}",
    "secret//{exchange}",
    "secret/../{exchange}",
    "secret/{exchange}?version=1",
    "secret/x{exchange}",
  ])("is not made from %j", (template) => {
    expect(() => placeOf(template, "acme")).toThrow(CliError);
  });

  test.for(["", ".", "..", ".hidden", "a/b", "a b", "a%2fb", "a?b", "a#b", "ä", "a".repeat(129)])(
    "does not lead elsewhere by %j",
    (name) => {
      expect(() => placeOf(defaultPath, name)).toThrow(/^--source-tenant must be/);
      expect(() => pathTo(placeOf(defaultPath, "acme"), name)).toThrow(/^--exchange must be/);
    },
  );
});

type Answer = Readonly<{ status: number; body: object }>;

/** A service that answers as it is told, and a source that tells what was read of it. */
describe("an import", () => {
  let server: Server;
  let url: string;
  let registered: Readonly<Record<string, unknown>>[];
  let answers: Record<string, Answer>;
  let pages: object[][];
  const venues = ["alpha", "beta", "gate", "delta", "okx", "zeta"].map((id) =>
    venueOf(id, ["api_key", "api_secret"]),
  );
  const page = (items: readonly object[], next_cursor: string | null = null) => ({
    items,
    next_cursor,
    count: items.length,
  });

  async function answer(request: IncomingMessage): Promise<Answer> {
    const { method, url: path = "" } = request;
    if (path.endsWith("/venues")) return { status: 200, body: page(venues) };
    if (method === "GET") {
      const at = Number(new URL(path, url).searchParams.get("cursor") ?? 0);
      const next = at + 1 < pages.length ? String(at + 1) : null;
      return { status: 200, body: page(pages[at] ?? [], next) };
    }
    const sent: Readonly<Record<string, unknown>> = JSON.parse(await text(request));
    const venue = String(sent["venue"]);
    registered.push(sent);
    return answers[venue] ?? { status: 201, body: credentialOf(venue) };
  }

  beforeAll(async () => {
    server = createServer((request, response) => {
      const send = ({ status, body }: Answer): void =>
        void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
      void answer(request).then(send);
    });
    await new Promise<void>((listening) => void server.listen(0, "127.0.0.1", listening));
    const address = server.address();
    url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  });
  beforeEach(() => {
    registered = [];
    answers = {};
    pages = [];
  });
  afterAll(() => server.close());

  const credentialOf = (venue: string, status = "active") => ({
    id: `id-of-${venue}`,
    account_id: "a1",
    venue,
    environment: "live",
    label: "default",
    status,
    frozen: false,
    permissions: null,
    policy: { allow: ["read"], reveal: false },
    health: "unknown",
    health_message: null,
    expires_at: null,
    last_validated_at: null,
    revision: 1,
  });
  const problem = (code: ErrorCode, detail: string): Answer => ({
    status: errors[code].status,
    body: { code, title: errors[code].title, detail },
  });

  async function run(
    exchanges: readonly string[],
    changes: Partial<Plan> = {},
    held: Record<string, Held> = {},
  ) {
    const output = collect();
    const notes = collect();
    const terminal = { input: Readable.from([]), output: output.stream, notes: notes.stream };
    const environment = { KEYHOLD_URL: url, KEYHOLD_TOKEN: "the-token" };
    const cli = createCli(terminal, environment, () => true);
    const read: string[] = [];
    const itemOf = (exchange: string): Item => ({
      exchange,
      path: `there/${exchange}`,
      removal: `remove ${exchange}`,
      read: async () => {
        read.push(exchange);
        const values = { api_key: canary, api_secret: canary };
        return held[exchange] ?? { outcome: "found", values };
      },
    });
    const plan: Plan = {
      registration: { account_id: "a1", environment: "live" },
      naming: {},
      dryRun: false,
      ...changes,
    };
    const failure = await importAll(cli, { list: async () => exchanges.map(itemOf) }, plan).then(
      () => null,
      (error: unknown) => error,
    );
    const { items }: { items: readonly Record<string, unknown>[] } = JSON.parse(output.text());
    const told = output.text() + notes.text() + (failure instanceof Error ? failure.message : "");
    expect(told).not.toContain(canary);
    return {
      outcomes: items.map(({ outcome }) => outcome),
      reasons: items.map(({ reason }) => reason),
      notes: notes.text(),
      read,
      failure: failure instanceof CliError ? failure.failure : failure,
    };
  }

  test("sends what was asked for every key alike, under the venue's own name", async () => {
    const registration = {
      account_id: "a1",
      environment: "live",
      label: "spot",
      validation: "deferred",
    } as const;
    expect(await run(["alpha", "gateio"], { registration })).toMatchObject({
      outcomes: ["imported", "imported"],
      failure: null,
    });
    const secret = { api_key: canary, api_secret: canary };
    expect(registered).toEqual([
      { venue: "alpha", ...registration, secret },
      { venue: "gate", ...registration, secret },
    ]);
  });

  test("leaves unread what is there already, on whichever page, and not what was revoked", async () => {
    pages = [[credentialOf("alpha")], [credentialOf("beta", "revoked")], [credentialOf("gate", "invalid")]];
    expect(await run(["alpha", "beta", "gate"])).toMatchObject({
      outcomes: ["present", "imported", "present"],
      read: ["beta"],
      failure: null,
    });
  });

  test("foresees in a dry run what the service would object to, and the run without it sends that to the service", async () => {
    const found = (api_secret: string) =>
      ({ outcome: "found", values: { api_key: canary, api_secret } }) as const;
    const held = { alpha: found(`${canary}\n`), beta: found(`"${canary}"`), delta: found(`a\nb${canary}`) };
    expect(await run(["alpha", "beta", "delta"], { dryRun: true }, held)).toMatchObject({
      outcomes: ["importable", "refused", "refused"],
      reasons: [
        null,
        expect.stringContaining("api_secret stands in quotes"),
        expect.stringContaining("a line break"),
      ],
    });
    expect(registered).toEqual([]);
    expect(await run(["alpha"], {}, held)).toMatchObject({ outcomes: ["imported"] });
    expect(registered).toMatchObject([{ secret: { api_secret: canary } }]);
  });

  test("takes what somebody registered in the meantime as there", async () => {
    answers["alpha"] = problem("duplicate", "The account has such a credential already.");
    const { outcomes, notes, failure } = await run(["alpha"]);
    expect(outcomes).toEqual(["present"]);
    expect(failure).toBeNull();
    expect(notes).toMatch(/Compare the two before you remove it there:\n {2}remove alpha\n$/);
  });

  test("does not choose between two names of one venue", async () => {
    const { outcomes, reasons, read, failure } = await run(["gate", "gateio"]);
    expect(outcomes).toEqual(["skipped", "skipped"]);
    expect(reasons[0]).toMatch(/^gateio is the same venue/);
    expect(read).toEqual([]);
    expect(failure).toBe("refused");
  });

  test("leaves unread what has no venue, or none of this environment", async () => {
    const registration = { account_id: "a1", environment: "paper" } as const;
    expect(await run(["alpha", "mtgox"], { registration })).toMatchObject({
      outcomes: ["skipped", "skipped"],
      reasons: ["ALPHA has no paper environment.", "Keyhold knows no venue of this name."],
      read: [],
      failure: "refused",
    });
  });

  test("tells what the service says of a refusal, and what the source says of a failure", async () => {
    answers["alpha"] = problem("venue_rejected", "The venue does not know the key.");
    const held = { beta: { outcome: "unavailable", reason: "The store is sealed." } } as const;
    expect(await run(["alpha", "beta", "delta"], {}, held)).toMatchObject({
      outcomes: ["refused", "unavailable", "imported"],
      reasons: ["The venue does not know the key.", "The store is sealed.", null],
      failure: "unavailable",
    });
  });

  test("stops reading when nobody can be asked any more", async () => {
    for (const venue of ["alpha", "beta", "gate"]) answers[venue] = problem("not_ready", "Try again.");
    pages = [[credentialOf("zeta")]];
    expect(await run(["alpha", "beta", "gate", "delta", "okx", "zeta"])).toMatchObject({
      outcomes: ["unavailable", "unavailable", "unavailable", "unavailable", "unavailable", "present"],
      read: ["alpha", "beta", "gate"],
      failure: "unavailable",
    });
  });

  test("goes on after two that could not be asked about", async () => {
    for (const venue of ["alpha", "beta", "delta", "okx"]) answers[venue] = problem("not_ready", "Later.");
    expect(await run(["alpha", "beta", "gate", "delta", "okx", "zeta"])).toMatchObject({
      read: ["alpha", "beta", "gate", "delta", "okx", "zeta"],
    });
  });

  test("goes on to the last key, however many venues cannot be asked or cannot prove theirs", async () => {
    for (const venue of ["alpha", "beta", "gate"]) answers[venue] = problem("venue_unavailable", "No.");
    for (const venue of ["delta", "okx"]) answers[venue] = problem("venue_unproven", "No.");
    expect((await run(["alpha", "beta", "gate", "delta", "okx", "zeta"])).outcomes.at(-1)).toBe("imported");
  });

  test("tells how to remove what it imported, and nothing else", async () => {
    answers["beta"] = problem("venue_rejected", "No.");
    const { notes } = await run(["alpha", "beta"]);
    expect(notes).toMatch(/remove it there:\n {2}remove alpha\n$/);
  });
});

describe("the command line of an import", () => {
  const accountId = "5b0e4d3c-1a2b-4c3d-8e9f-0a1b2c3d4e5f";
  const vault = {
    KEYHOLD_VAULT_ADDRESSES: "https://127.0.0.1:1",
    KEYHOLD_VAULT_AUTH: "token",
    KEYHOLD_VAULT_TOKEN_FILE: "/nowhere",
  };
  const run = (argv: readonly string[], environment: Readonly<Record<string, string>> = vault) =>
    runCli(["import", "vault", "--account", accountId, ...argv], { environment });

  test.for([
    ["without an address of Vault", ["--source-tenant", "acme"], {}, "KEYHOLD_VAULT_ADDRESSES must be set"],
    [
      "with a tenant that the path has no place for",
      ["--source-tenant", "acme", "--path", "kv/{exchange}"],
      vault,
      "--path has no {tenant}",
    ],
    ["with a path that is none", ["--path", "kv"], vault, "--path must be words"],
    [
      "with an exchange that is none",
      ["--source-tenant", "acme", "--exchange", "../x"],
      vault,
      "--exchange must be letters",
    ],
    [
      "with no exchange at all",
      ["--source-tenant", "acme", "--exchange", ","],
      vault,
      "--exchange names none",
    ],
  ] as const)("is refused %s, before anything is sent", async ([, argv, environment, told]) => {
    const { code, output, notes } = await run(argv, environment);
    expect([code, output]).toEqual([2, ""]);
    expect(notes).toContain(told);
  });
});
